"""The compiled wheel says what its sources say: every case, every law and every random story comes to the same."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import NamedTuple, TypedDict, get_args, get_type_hints

import msgspec
import pytest

from billing.account.records import CellRecord
from billing.entry import Terms
from billing.meter import Meter
from tools.compile import compile_into, environment, has_compiler

ROOT = Path(__file__).parents[2]
PACKAGES = ("billing", "connectors", "schemas", "streams")
AGREEING = (
    "tests/billing",
    "tests/oracle/test_prices_agree.py",
    "tests/oracle/test_stories_agree.py",
    "tests/schemas/test_total_wire.py",
    "tests/schemas/test_usage_wire.py",
    "tests/simulation",
)
PLANTED = {
    "a bound is built into what is compiled, so one that a test sets has no effect": (
        "tests/billing/test_account_bounds.py::test_a_cell_keeps_so_many_values_and_still_takes_one_of_them_back",
        "tests/billing/test_account_details.py::test_the_values_of_a_price_of_every_event_are_bounded",
        "tests/billing/test_account_room.py::test_an_event_of_a_value_that_others_have_too_takes_nothing_from_them",
        "tests/billing/test_account_room.py::test_in_the_order_of_time_it_comes_to_the_same",
        "tests/billing/test_account_room.py::test_what_a_command_leaves_without_room_in_one_subscription_is_refused_by_all",
        "tests/billing/test_account_room.py::test_what_one_has_no_room_for_when_it_comes_is_counted_by_none",
        "tests/billing/test_account_room.py::test_what_waited_and_has_no_room_is_refused_and_voided_like_any_that_never_came",
        "tests/billing/test_account_room.py::test_what_was_billed_before_is_given_back_on_the_next_invoice",
        *(
            f"tests/billing/test_account_room.py::test_what_was_counted_and_what_was_refused_are_voided_alike[{which}-{how}]"
            for which in "123"
            for how in ("second_start", "second_start_grouped", "plan_change", "resumption")
        ),
        "tests/billing/test_account_windows.py::test_a_cell_that_is_full_says_of_which_meter",
        "tests/billing/test_account_windows.py::test_a_new_group_is_taken_while_the_lines_of_all_groups_are_shorter_than_the_bound",
    ),
    "as above, and without the bound nothing comes to what the bug spoils": (
        "tests/billing/test_account_lanes.py::test_planted_bug_what_one_has_no_room_for_is_left_to_the_others_is_seen",
        "tests/billing/test_account_room.py::test_planted_bug_leaving_to_the_others_what_one_has_no_room_for_stops_the_account",
    ),
    "what is compiled calls its own methods and passes by what is put in their place": (
        "tests/billing/test_account_lanes.py::test_planted_bug_a_lane_that_is_kept_over_a_command_is_seen",
    ),
    "a class of the test cannot inherit from one that is compiled": (
        "tests/billing/test_meter.py::test_the_laws_find_the_planted_bugs",
    ),
}
"""Why these cannot work on what is compiled; each fails there, which is checked too."""
BLIND = ("tests/billing/test_account_lanes.py::test_the_short_way_says_and_writes_the_very_bytes_of_the_long_way",)
"""It puts another method in a class's place to have the long way, so compiled it compares the short way with itself."""
PROGRAM = """
import sys, pytest
status = pytest.main(sys.argv[1:])
from billing.account import machine
assert machine.__file__.endswith(".so"), f"not what is compiled was tested, but {machine.__file__}"
sys.exit(status)
"""

# The suite's own `pythonpath` would put the checkout before what is compiled.
TESTING = ("-c", PROGRAM, "-q", "-p", "no:cacheprovider", "-o", "pythonpath=")

pytestmark = [
    pytest.mark.skipif(not has_compiler(), reason="no C compiler"),
    pytest.mark.timeout(600),
]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compiled")
    compile_into(directory)
    return directory


def run(compiled: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """How a program ended that ran with the compiled packages."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env={**os.environ, **environment(compiled)}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


def ran(compiled: Path, *arguments: str) -> str:
    """What a program printed that ended well with the compiled packages."""
    done = run(compiled, *arguments)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    return done.stdout


def named() -> list[str]:
    """The modules that a wheel has compiled."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    return [name.removesuffix(".py").replace("/", ".") for name in wheel["hooks"]["mypyc"]["include"]]


def every_module() -> list[ModuleType]:
    """All that a wheel installs, but for what runs when it is imported."""
    files = [file for top in PACKAGES for file in (ROOT / top).rglob("*.py") if file.stem != "__main__"]
    places = [file.parent if file.stem == "__init__" else file.with_suffix("") for file in files]
    return [import_module(".".join(place.relative_to(ROOT).parts)) for place in places]


def structs(kind: type[msgspec.Struct] = msgspec.Struct) -> Iterator[type[msgspec.Struct]]:
    """All msgspec structs that are defined by now, those of tests too."""
    for one in kind.__subclasses__():
        yield one
        yield from structs(one)


def decoded_in(module: ModuleType) -> list[object]:
    """What a module's decoders decode into."""
    held: list[object] = [getattr(one, "__self__", one) for one in vars(module).values()]
    return [one.type for one in held if isinstance(one, msgspec.json.Decoder | msgspec.msgpack.Decoder)]


def reached_from(read: Iterable[object]) -> set[type]:
    """The classes that are made from the fields' types alone when one of these types is read, at whatever depth."""
    reached: set[type] = set()
    left = list(read)
    while left:
        one: object = left.pop()
        left += get_args(one)
        if isinstance(one, type) and one not in reached:
            reached.add(one)
            left += [] if issubclass(one, Enum) else get_type_hints(one).values()
    return reached


def untyped(reached: Iterable[type], rooms: Collection[str]) -> list[str]:
    """Those that would be read without the types of their fields, as a room that is compiled defines them."""
    return sorted(one.__qualname__ for one in reached if one.__module__ in rooms and not issubclass(one, Enum))


def test_nothing_is_read_into_a_class_of_a_room_that_is_compiled() -> None:
    """A field of `list[str]` is one of `list` there, and one of `int | None` is of `type`, in whatever kind of class.

    A struct is there to be read, so it may not stand there at all. Dataclasses and named tuples may, as they are made
    by calls: mypyc's own checks have the whole types, and nobody reads the fields' types, which is asserted here.
    """
    modules = every_module()
    ours = [one for one in structs() if one.__module__.partition(".")[0] in PACKAGES]
    reached = reached_from([*ours, *chain.from_iterable(map(decoded_in, modules))])
    assert untyped(reached, named()) == []
    assert {Terms, CellRecord} <= reached


class _Kept(NamedTuple):
    meters: tuple[Meter, ...]


class _Stored(msgspec.Struct):
    kept: list[_Kept] | None


class _Told(TypedDict):
    number: int


def test_the_check_sees_what_would_be_read_without_its_types() -> None:
    """A struct or a typed dict of a room itself, and a dataclass of one that a struct holds far down."""
    here = ModuleType("here")
    vars(here).update(decode=msgspec.json.Decoder(list[_Told]).decode)
    rooms = [__name__, "billing.meter"]
    assert _Stored in structs()
    assert untyped(reached_from([_Stored]), rooms) == ["Meter", "_Kept", "_Stored"]
    assert untyped(reached_from(decoded_in(here)), rooms) == ["_Told"]


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
    without = [f"--deselect={one}" for one in (*BLIND, *chain(*PLANTED.values()))]
    assert " passed" in ran(compiled, *TESTING, *without, *AGREEING)


def test_none_is_left_out_that_could_run_compiled(compiled: Path) -> None:
    for why, left_out in PLANTED.items():
        done = run(compiled, *TESTING, *left_out)
        assert re.search(r"^\d+ failed in .*$", done.stdout, re.MULTILINE), why + done.stdout[-3_000:]


def test_the_check_sees_that_it_ran_the_checkout(compiled: Path) -> None:
    with pytest.raises(AssertionError, match="not what is compiled was tested"):
        ran(compiled, "-c", PROGRAM, "-q", "-p", "no:cacheprovider", "tests/billing/test_proration.py")
