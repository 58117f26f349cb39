"""Makes a directory hold beaas as a compiled wheel installs it: `python -m tools.compile DIRECTORY` (docs/adr/0011).

Built from a copy of the sources, so that no compiled file is ever left in the checkout, where it would hide its source.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SOURCES: Final = ("README.md", "pyproject.toml", "billing", "connectors", "migrations", "schemas", "streams")
COMPILERS: Final = ("cc", "gcc", "clang")


class NotCompiled(Exception):
    """It could not be built; the text is the end of what the compiler said, or what is missing."""


def has_compiler() -> bool:
    """Tells whether this machine can compile at all."""
    return any(map(shutil.which, (os.environ.get("CC", ""), *COMPILERS)))


def compile_into(directory: Path) -> None:
    """The directory holds all packages, those of the hot path compiled; put first on `PYTHONPATH`, it is what runs.

    Raises:
        NotCompiled: there is no C compiler, or the build failed.
    """
    if not has_compiler():
        raise NotCompiled(f"no C compiler: none of {', '.join(COMPILERS)} is on the PATH (Debian: apt install gcc)")
    with tempfile.TemporaryDirectory(prefix="beaas-compile-") as scratch:
        sources, wheels = Path(scratch) / "sources", Path(scratch) / "wheels"
        sources.mkdir()
        for name in SOURCES:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, sources / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / name, sources / name)
        built = subprocess.run(
            (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", wheels),
            cwd=sources,
            env={**os.environ, "HATCH_BUILD_HOOK_ENABLE_MYPYC": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if built.returncode:
            raise NotCompiled(built.stdout[-2_000:])
        zipfile.ZipFile(next(wheels.glob("beaas-*.whl"))).extractall(directory)


def environment(directory: Path) -> dict[str, str]:
    """What a Python process needs in its environment to run what `compile_into` left, wherever it is started."""
    return {"PYTHONPATH": os.pathsep.join([str(directory), str(ROOT)]), "PYTHONSAFEPATH": "1"}


if __name__ == "__main__":
    try:
        compile_into(Path(sys.argv[1]))
    except NotCompiled as reason:
        sys.exit(f"not compiled: {reason}")
