"""The compiled wheel says what its sources say: every case, every law and every random story comes to the same."""

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from tools.compile import compile_into, environment, has_compiler

ROOT = Path(__file__).parents[2]
AGREEING = (
    "tests/billing",
    "tests/oracle/test_prices_agree.py",
    "tests/oracle/test_stories_agree.py",
    "tests/schemas/test_total_wire.py",
    "tests/schemas/test_usage_wire.py",
    "tests/simulation",
)
PLANTING = (
    "tests/billing/test_account_bounds.py",
    "tests/billing/test_account_details.py",
    "tests/billing/test_account_lanes.py",
    "tests/billing/test_account_room.py",
    "tests/billing/test_account_windows.py",
    "tests/billing/test_meter.py::test_the_laws_find_the_planted_bugs",
)
"""Those that reach into a constant or a method to plant something can't: what is compiled has them built in."""
PROGRAM = """
import sys, pytest
status = pytest.main(sys.argv[1:])
from billing.account import machine
assert machine.__file__.endswith(".so"), f"not what is compiled was tested, but {machine.__file__}"
sys.exit(status)
"""

pytestmark = [
    pytest.mark.skipif(not has_compiler(), reason="no C compiler"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compiled")
    compile_into(directory)
    return directory


def ran(compiled: Path, *arguments: str) -> str:
    """What a program printed that ran with the compiled packages."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment(compiled)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


def named() -> list[str]:
    """The modules that a wheel has compiled."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return [name.removesuffix(".py").replace("/", ".") for name in wheel["hooks"]["mypyc"]["include"]]


def records_in(module: ModuleType) -> list[str]:
    """The msgspec structs that a module defines."""
    return [
        name
        for name, one in vars(module).items()
        if isinstance(one, type) and issubclass(one, msgspec.Struct) and one.__module__ == module.__name__
    ]


def test_no_room_that_is_compiled_defines_a_record_whose_fields_would_lose_their_types() -> None:
    assert {name: found for name in named() if (found := records_in(import_module(name)))} == {}
    assert records_in(import_module("billing.account.records"))


def test_every_room_that_is_named_for_it_runs_compiled_and_leaves_nothing_in_the_checkout(compiled: Path) -> None:
    modules = named()
    program = "import importlib, sys; print(*[importlib.import_module(one).__file__ for one in sys.argv[1:]])"
    files = ran(compiled, "-c", program, *modules).split()
    assert len(files) == len(modules) > 10
    assert all(file.startswith(str(compiled)) and file.endswith(".so") for file in files), files
    assert not [found for top in ("billing", "schemas", "streams") for found in (ROOT / top).rglob("*.so")]


def test_every_case_of_the_norm_and_of_our_own_comes_to_the_same(compiled: Path) -> None:
    cases = sorted(map(str, (ROOT / "tests/conformance").glob("*/*.yaml")))
    assert ran(compiled, "-m", "streams.cli", "conformance", *cases).splitlines()[-1].endswith(" passed, 0 failed")


def test_the_laws_the_oracle_and_the_wire_hold_for_what_is_compiled(compiled: Path) -> None:
    without = [f"--deselect={one}" for one in PLANTING]
    # The suite's own `pythonpath` would put the checkout before what is compiled.
    said = ran(compiled, "-c", PROGRAM, "-q", "-p", "no:cacheprovider", "-o", "pythonpath=", *without, *AGREEING)
    assert " passed" in said


def test_the_check_sees_that_it_ran_the_checkout(compiled: Path) -> None:
    with pytest.raises(AssertionError, match="not what is compiled was tested"):
        ran(compiled, "-c", PROGRAM, "-q", "-p", "no:cacheprovider", "tests/billing/test_proration.py")
