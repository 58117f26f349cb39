"""The directory that holds all that the embedded servers keep: one owner at a time, and never somebody else's."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from connectors.embedded.errors import DataDirectoryError
from connectors.embedded.ports import remembered_ports

_MARKER: Final = ".made-by-beaas"
_MARKER_TEXT: Final = "What stands here belongs to `beaas up`; `beaas up --fresh` deletes all of it.\n"
_LOCK: Final = "lock"


class DataDirectory:
    """A data directory that this process owns while `owned` holds.

    Args:
        path: Made if it does not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()

    @property
    def records(self) -> Path:
        """Where running children are recorded."""
        return self.path / "run"

    def log(self, name: str) -> Path:
        """Returns the log file of a server or a role."""
        return self.path / "logs" / f"{name}.log"

    @contextmanager
    def owned(self) -> Iterator[None]:
        """Owns the directory while the block runs; the kernel gives it back even after kill -9.

        Raises:
            DataDirectoryError: Another process owns it, or it holds files that are not ours.
        """
        self._adopt()
        with (self.path / _LOCK).open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                lock.seek(0)
                raise DataDirectoryError(
                    f"{self.path} is in use by process {lock.read().strip() or 'unknown'}."
                    " Stop that one first, or choose another --data-dir."
                ) from None
            lock.truncate(0)
            lock.write(str(os.getpid()))
            lock.flush()
            yield

    def wipe(self) -> None:
        """Deletes all that the directory holds; only for its owner."""
        for entry in self.path.iterdir():
            if entry.name in {_MARKER, _LOCK}:
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def ports(self, names: Iterable[str]) -> dict[str, int]:
        """Returns a free loopback port for each name, the same as at the last start if that can be."""
        return remembered_ports(self.path / "ports.json", names)

    def password(self, name: str) -> str:
        """Returns this directory's password of that name, generated once and readable by the owner only."""
        path = self.path / "passwords.json"
        known = msgspec.json.decode(path.read_bytes(), type=dict[str, str]) if path.exists() else {}
        if name not in known:
            known[name] = secrets.token_urlsafe(24)
            write_private(path, msgspec.json.encode(known))
        return known[name]

    def _adopt(self) -> None:
        marker = self.path / _MARKER
        if marker.exists():
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise DataDirectoryError(
                f"{self.path} was not made by beaas and is not empty, so it is left alone. Choose another --data-dir."
            )
        self.path.mkdir(parents=True, exist_ok=True)
        # others may pass through, as PostgreSQL does under another account, but not list what is here
        self.path.chmod(0o711)
        marker.write_text(_MARKER_TEXT, encoding="utf-8")


def write_private(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, readable by its owner only."""
    staged = path.with_name(f"{path.name}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    staged.replace(path)
