"""Makes the virtual environment and fetches the embedded servers, from Python's standard library alone.

``python3 tools/bootstrap.py .venv``: quick when nothing has changed since the last time, and then without network. An
interrupted run is noticed by its missing stamp and done again.
"""

import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements" / "dev.txt"
INSTALLER = ROOT / "requirements" / "installer.txt"
OLDEST_PYTHON = (3, 11)
# where the pinned packages have wheels, or (faust-streaming on aarch64) build with a C compiler
PLATFORMS = (("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64"))


def what_is_missing() -> str | None:
    """Says what this machine lacks and how to get it; None if it lacks nothing."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST_PYTHON:
        return f"Python 3.11 or newer is needed, this is {found}: install it and run make again."
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
            return f"Python {found} has no module {module}: install it (Debian, Ubuntu: apt install {package})."
    here = (platform.system(), platform.machine())
    if here not in PLATFORMS:
        known = ", ".join(" ".join(pair) for pair in PLATFORMS)
        return f"the embedded servers run on {known}; this is {' '.join(here)}."
    return None


def wanted_stamp() -> str:
    """Digests all that decides what the environment holds."""
    digest = hashlib.sha256(f"{sys.version} {ROOT}".encode())
    for path in (REQUIREMENTS, ROOT / "pyproject.toml"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def make_environment(venv: Path) -> None:
    """Makes the environment hold exactly the pinned packages and this checkout; nothing happens if it already does."""
    stamp = venv / "beaas-stamp"
    wanted = wanted_stamp()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted and _runs(venv):
        return
    stamp.unlink(missing_ok=True)
    if not _runs(venv):
        shutil.rmtree(venv, ignore_errors=True)
        _step("making the virtual environment", sys.executable, "-m", "venv", venv)
    pip = (venv / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet", "install")
    # --no-deps: the list is complete, so there is nothing to resolve
    pinned = ("--require-hashes", "--no-deps", "-r")
    _step("fetching the installer", *pip, *pinned, INSTALLER)
    if not _installed_by_uv(venv, *pinned, REQUIREMENTS):
        _step("installing the pinned packages with pip", *pip, *pinned, REQUIREMENTS)
    _step("installing beaas itself", *pip, "--no-deps", "--no-build-isolation", "-e", ROOT)
    stamp.write_text(wanted, encoding="ascii")  # last: without it the next run does all of this again


def _installed_by_uv(venv: Path, *what: str | Path) -> bool:
    """Tells whether uv installed it; uv takes a tenth of pip's time, but reads none of pip's own configuration."""
    uv = (venv / "bin" / "uv", "pip", "install", "--quiet", "--python", venv / "bin" / "python")
    print("installing the pinned packages …", flush=True)
    began = time.monotonic()
    if subprocess.run((*uv, *what), cwd=ROOT, check=False).returncode:
        return False
    print(f"installing the pinned packages: {time.monotonic() - began:.1f} s", flush=True)
    return True


def _runs(venv: Path) -> bool:
    """Tells whether the environment's interpreter and pip work: neither does after an interrupted `venv`."""
    python = venv / "bin" / "python"
    return (
        python.exists()
        and subprocess.run([python, "-c", "import pip"], capture_output=True, check=False).returncode == 0
    )


def _step(what: str, *argv: str | Path) -> None:
    print(f"{what} …", flush=True)
    began = time.monotonic()
    if subprocess.run(argv, cwd=ROOT, check=False).returncode:
        sys.exit(f"{what} failed: see above. Once that is mended, run the same make again: it goes on from there.")
    print(f"{what}: {time.monotonic() - began:.1f} s", flush=True)


def main(venv: Path) -> int:
    """Makes the machine ready and returns the exit status."""
    if missing := what_is_missing():
        print(missing, file=sys.stderr)
        return 2
    make_environment(venv)
    fetch: tuple[str | Path, ...] = (venv / "bin" / "python", "-m", "connectors.embedded.fetch")
    return subprocess.run(fetch, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1]).absolute()))
    except KeyboardInterrupt:
        sys.exit("interrupted; the same make goes on from here")
