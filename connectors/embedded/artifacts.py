"""The servers' archives: fetched once by their Maven coordinates, checked against sha256 pins, shared by all clones.

A pin file has one archive a line: `sha256  bytes  group:artifact:version[:classifier:packaging]`. Only pinned files
are fetched: no POM is read and no version resolved, so a filled cache needs no network.
"""

import fcntl
import hashlib
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.embedded.errors import ArchiveError
from connectors.embedded.progress import Advance, transfer_progress

KAFKA_PINS: Final = Path(__file__).with_name("kafka.pins")
REGISTRY_PINS: Final = Path(__file__).with_name("apicurio.pins")

_PARALLEL_FETCHES: Final = 8
_ATTEMPTS: Final = 3
_TIMEOUT_S: Final = 60


@dataclass(frozen=True, slots=True)
class Pin:
    """One archive: where it is found, and what its bytes must be."""

    sha256: str
    size_bytes: int
    coordinate: str

    @property
    def parts(self) -> tuple[str, str, str, str, str]:
        """Group, artifact, version, classifier (may be empty) and packaging."""
        group, artifact, version, *rest = self.coordinate.split(":")
        classifier, packaging = rest or ("", "jar")
        return group, artifact, version, classifier, packaging

    @property
    def file_name(self) -> str:
        """Its name in the cache; another digest is another name, so versions never overwrite each other."""
        _, artifact, version, _, packaging = self.parts
        return f"{self.sha256[:12]}-{artifact}-{version}.{packaging}"

    def matches(self, path: Path) -> bool:
        """Tells whether the file is there with exactly the pinned bytes."""
        if not path.is_file() or path.stat().st_size != self.size_bytes:
            return False
        with path.open("rb") as archive:
            return hashlib.file_digest(archive, "sha256").hexdigest() == self.sha256


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Returns the pins of a file, in its order."""
    rows = (line.split() for line in path.read_text(encoding="utf-8").splitlines())
    return tuple(Pin(sha256, int(size), coordinate) for sha256, size, coordinate in rows)


def default_cache() -> Path:
    """Returns the cache all clones of one user share: BEAAS_CACHE_DIR, or `beaas` below the XDG cache directory."""
    if chosen := os.environ.get("BEAAS_CACHE_DIR"):
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "beaas"


class Archives:
    """The cache of fetched archives; whatever it returns exists and has the pinned bytes.

    Args:
        cache: Where the archives are kept; the shared cache when None.
        repositories: Maven repositories by name; the public one when None.
        progress: Opens a progress display for a number of bytes.
    """

    def __init__(
        self,
        cache: Path | None = None,
        *,
        repositories: Mapping[str, str] | None = None,
        progress: Callable[[int], AbstractContextManager[Advance]] = transfer_progress,
    ) -> None:
        self.cache = cache or default_cache()
        self._staging = self.cache / "staging"
        self._repositories = None if repositories is None else dict(repositories)
        self._progress = progress

    def files(self, pins: Sequence[Pin]) -> list[Path]:
        """Returns the archives' paths in the pins' order; those that are missing or torn are fetched.

        Raises:
            ArchiveError: An archive cannot be fetched or is not the pinned one.
        """
        if any(self._missing(pins)):
            with self._exclusive():
                self._fetch(self._missing(pins))
        return [self._path(pin) for pin in pins]

    def tree(self, pin: Pin) -> Path:
        """Returns the directory that a tar.gz archive is unpacked to; it is complete or not there at all.

        Raises:
            ArchiveError: The archive cannot be fetched or is not the pinned one.
        """
        unpacked = self._path(pin).with_name(pin.file_name.removesuffix(".tar.gz"))
        if not unpacked.is_dir():
            [archive] = self.files([pin])
            with self._exclusive():
                self._unpack(archive, unpacked)
        return unpacked

    def fetch_all(self) -> None:
        """Makes everything that the embedded servers need be there, fetched side by side.

        Raises:
            ArchiveError: An archive cannot be fetched or is not the pinned one.
        """
        [registry] = read_pins(REGISTRY_PINS)
        needs_registry = not self._path(registry).with_name(registry.file_name.removesuffix(".tar.gz")).is_dir()
        # the one big archive goes first, so that the small ones travel beside it and not after it
        self.files([*([registry] if needs_registry else []), *read_pins(KAFKA_PINS)])
        self.tree(registry)

    def _path(self, pin: Pin) -> Path:
        return self.cache / pin.file_name

    def _missing(self, pins: Sequence[Pin]) -> list[Pin]:
        with ThreadPoolExecutor(_PARALLEL_FETCHES) as pool:
            whole = pool.map(lambda pin: pin.matches(self._path(pin)), pins)
            return [pin for pin, there in zip(pins, whole, strict=True) if not there]

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """Holds the cache alone: a second clone waits instead of fetching the same, and staging is nobody else's."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with (self.cache / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir()
            try:
                yield
            finally:
                shutil.rmtree(self._staging, ignore_errors=True)

    def _fetch(self, pins: Sequence[Pin]) -> None:
        if not pins:
            return
        with (
            self._progress(sum(pin.size_bytes for pin in pins)) as advance,
            ThreadPoolExecutor(_PARALLEL_FETCHES) as pool,
        ):
            for fetched in [pool.submit(self._fetch_one, pin, advance) for pin in pins]:
                fetched.result()

    def _fetch_one(self, pin: Pin, advance: Advance) -> None:
        failure: Exception | None = None
        for attempt in range(_ATTEMPTS):
            try:
                archive = self._from_maven(pin, self._staging / f"{pin.sha256}-{attempt}", advance)
            except (OSError, RuntimeError) as error:  # what jgo and requests raise
                failure = error
                continue
            if not pin.matches(archive):
                raise ArchiveError(
                    f"{pin.coordinate} is not the pinned archive: expected {pin.size_bytes} bytes with sha256"
                    f" {pin.sha256}. Something on the way changed it; nothing of it was kept."
                )
            # renamed only once it is checked: a killed fetch never passes for a cached file
            archive.replace(self._path(pin))
            return
        raise ArchiveError(
            f"{pin.coordinate} cannot be fetched into {self.cache}: {failure}. Check the network (or the proxy"
            " settings) and run the same command again: what was fetched is kept."
        ) from failure

    def _from_maven(self, pin: Pin, destination: Path, advance: Advance) -> Path:
        # imported here: 0.1 s that a start with a filled cache does not need
        from jgo.maven import MavenContext, PythonResolver  # noqa: PLC0415

        @contextmanager
        def counted(_name: str, _total: int) -> Iterator[Advance]:
            yield advance

        group, artifact, version, classifier, packaging = pin.parts
        maven = MavenContext(
            resolver=PythonResolver(progress_callback=counted),
            repo_cache=destination,
            local_repos=[],
            remote_repos=self._repositories,
            timeout=_TIMEOUT_S,
        )
        found = maven.project(group, artifact).at_version(version).artifact(classifier, packaging).resolve()
        return Path(found)

    def _unpack(self, archive: Path, unpacked: Path) -> None:
        if unpacked.is_dir():  # another clone was faster
            return
        with tarfile.open(archive) as tar:
            # Pythons before 3.11.4 have no filter; there the pin alone vouches for the members' names
            tar.extraction_filter = getattr(tarfile, "data_filter", lambda member, _path: member)
            tar.extractall(self._staging / "tree")  # noqa: S202 - filtered above, and pinned
        (self._staging / "tree").replace(unpacked)
        archive.unlink()
