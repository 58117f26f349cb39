import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from connectors.embedded.artifacts import KAFKA_PINS, REGISTRY_PINS, Archives, Pin, read_pins
from connectors.embedded.errors import ArchiveError


class Repository:
    """A Maven repository on loopback that counts what is asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: list[str] = []
        repository = self

        class Handler(SimpleHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                repository.asked.append(self.path)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def publish(self, name: str, content: bytes, packaging: str = "jar") -> Pin:
        """Serves an archive and returns the pin that fits it."""
        folder = self.root / "org" / "example" / name / "1.0"
        folder.mkdir(parents=True, exist_ok=True)
        classifier = "" if packaging == "jar" else "-all"
        (folder / f"{name}-1.0{classifier}.{packaging}").write_bytes(content)
        tail = "" if packaging == "jar" else f":all:{packaging}"
        return Pin(hashlib.sha256(content).hexdigest(), len(content), f"org.example:{name}:1.0{tail}")

    def close(self) -> None:
        """Stops serving; twice is as good as once."""
        if self.thread.is_alive():
            self.server.shutdown()
            self.server.server_close()
            self.thread.join()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    serving = Repository(tmp_path / "repository")
    yield serving
    serving.close()


@pytest.fixture
def archives(tmp_path: Path, repository: Repository) -> Archives:
    return Archives(tmp_path / "cache", repositories={"loopback": repository.url})


def test_an_archive_is_fetched_once_and_then_had_without_network(repository: Repository, archives: Archives) -> None:
    pins = [repository.publish("one", b"1" * 1000), repository.publish("two", b"2" * 2000)]
    first = archives.files(pins)
    repository.asked.clear()
    assert archives.files(pins) == first
    assert [path.read_bytes() for path in first] == [b"1" * 1000, b"2" * 2000]
    assert repository.asked == []


def test_bytes_that_are_not_the_pinned_ones_are_refused_and_not_kept(
    repository: Repository, archives: Archives
) -> None:
    right = repository.publish("one", b"right")
    repository.publish("one", b"wrong")
    with pytest.raises(ArchiveError, match=r"org\.example:one:1\.0 is not the pinned archive"):
        archives.files([right])
    assert [path.name for path in archives.cache.iterdir()] == ["lock"]


@pytest.mark.parametrize("torn", [b"", b"whole"[:3], b"whale"], ids=["empty", "short", "changed"])
def test_a_torn_file_in_the_cache_is_fetched_again(repository: Repository, archives: Archives, torn: bytes) -> None:
    pin = repository.publish("one", b"whole")
    [path] = archives.files([pin])
    path.write_bytes(torn)
    assert archives.files([pin])[0].read_bytes() == b"whole"


def test_without_network_the_archive_is_named_with_what_to_do(repository: Repository, archives: Archives) -> None:
    [here, missing] = [repository.publish("one", b"1"), repository.publish("two", b"2")]
    archives.files([here])
    repository.close()
    with pytest.raises(ArchiveError, match=r"org\.example:two:1\.0 cannot be fetched .* run the same command again"):
        archives.files([here, missing])
    assert archives.files([here])[0].read_bytes() == b"1"


def test_what_a_killed_fetch_left_is_gone_after_the_next(repository: Repository, archives: Archives) -> None:
    left = archives.cache / "staging" / "half"
    left.mkdir(parents=True)
    archives.files([repository.publish("one", b"1")])
    assert not left.parent.exists()


def test_a_tree_is_unpacked_once_and_then_had_without_network(repository: Repository, archives: Archives) -> None:
    pin = repository.publish("app", _tar({"lib/a.jar": b"a", "run.jar": b"r"}), "tar.gz")
    tree = archives.tree(pin)
    repository.asked.clear()
    assert archives.tree(pin) == tree
    found = {str(path.relative_to(tree)): path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert found == {"lib/a.jar": b"a", "run.jar": b"r"}
    assert repository.asked == []


def test_an_archive_that_reaches_outside_its_tree_is_not_unpacked(repository: Repository, archives: Archives) -> None:
    pin = repository.publish("app", _tar({"run.jar": b"r", "../../outside": b"o"}), "tar.gz")
    with pytest.raises(tarfile.OutsideDestinationError):
        archives.tree(pin)
    assert not list(archives.cache.parent.rglob("outside"))


@pytest.mark.parametrize("pins", [KAFKA_PINS, REGISTRY_PINS], ids=["kafka", "registry"])
def test_the_committed_pins_name_each_archive_once_by_digest_and_size(pins: Path) -> None:
    read = read_pins(pins)
    assert all(len(bytes.fromhex(pin.sha256)) == 32 and pin.size_bytes > 0 for pin in read)
    assert len({pin.parts[:2] for pin in read}) == len(read)


def _tar(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return packed.getvalue()
