"""The mutation tests find a test that is too weak, and nothing else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutate.operators import mutants
from tools.mutate.report import Tally, read_arguments, updated
from tools.mutate.trials import Verdict

ROOT = Path(__file__).parents[2]

SHOP = '''
"""What things cost."""

from functools import lru_cache

MOST = 10


@lru_cache
def price(pieces: int, rate: int = 2) -> int:
    """Returns what they cost."""
    if pieces > MOST:
        raise ValueError("pieces", f"at most {MOST} are allowed")
    return pieces * rate
'''
WEAK = """
import pytest
from shop.price import price

def test_many_are_refused():
    with pytest.raises(ValueError, match="pieces"):
        price(20)

def test_one_has_a_price():
    assert price(1) > 0
"""
STRONG = """
import pytest
from shop.price import price

def test_as_many_as_are_allowed_have_their_price():
    assert [price(pieces) for pieces in (1, 3, 10)] == [2, 6, 20]

@pytest.mark.parametrize("pieces", [11, 12])
def test_more_are_refused(pieces):
    with pytest.raises(ValueError, match=r"^\\('pieces', "):
        price(pieces)
"""
SURVIVORS = [
    "shop.price:price: pieces > MOST -> pieces >= MOST",
    "shop.price:price: ValueError('pieces', …) -> ValueError('XXpieces', …)",
    "shop.price:price: pieces * rate -> pieces / rate",
    "shop.price:: MOST = 10 -> MOST = 11",
    "shop.price:: MOST = 10 -> MOST = 9",
    "shop.price:price: 2 -> 3",
    "shop.price:price: 2 -> 1",
]


def run(where: Path, shop: str, tests: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    for file, text in {"shop/price.py": shop, "tests/test_price.py": tests}.items():
        (where / file).parent.mkdir(exist_ok=True)
        (where / file).write_text(text)
    return subprocess.run(
        [sys.executable, "-m", "tools.mutate", "shop", "--tests", "tests", "--arguments", "argued.toml", *arguments],
        cwd=where,
        env=os.environ | {"PYTHONPATH": f"{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )


def told(ran: subprocess.CompletedProcess[str], word: str) -> list[str]:
    assert ran.stderr == ""
    return [line.removeprefix(f"{word} ") for line in ran.stdout.splitlines() if line.startswith(word)]


def test_a_weak_test_leaves_survivors_with_their_names(tmp_path: Path) -> None:
    ran = run(tmp_path, SHOP, WEAK)
    assert (told(ran, "SURVIVED"), ran.returncode) == (SURVIVORS, 1)


def test_a_strong_test_leaves_none(tmp_path: Path) -> None:
    ran = run(tmp_path, SHOP, STRONG)
    assert ("10 killed, 0 timed out, 0 survived" in ran.stdout, ran.returncode, ran.stderr) == (True, 0, "")


def test_a_survivor_that_is_argued_for_is_accepted_and_an_argument_for_none_is_not(tmp_path: Path) -> None:
    (tmp_path / "argued.toml").write_text(f'[[survivor]]\nwhy = "planted"\nmutants = {SURVIVORS[2:]}\n')
    assert told(run(tmp_path, SHOP, WEAK), "SURVIVED") == SURVIVORS[:2]
    (tmp_path / "argued.toml").write_text(f'[[survivor]]\nwhy = "planted"\nmutants = {[SURVIVORS[0]]}\n')
    ran = run(tmp_path, SHOP, STRONG)
    assert (told(ran, "NO SUCH SURVIVOR"), ran.returncode) == (SURVIVORS[:1], 1)


def test_a_mutant_that_never_ends_is_ended(tmp_path: Path) -> None:
    shop = "def counted(left):\n    while left > 0:\n        left -= 1\n    return left\n"
    tests = "from shop.price import counted\n\ndef test_all_are_counted():\n    assert counted(2) == 0\n"
    ran = run(tmp_path, shop, tests, "--only", "left += 1")
    assert "1 mutants in " in ran.stdout
    assert ("0 killed, 1 timed out, 0 survived" in ran.stdout, ran.returncode) == (True, 0)


def test_a_change_that_cannot_be_put_into_the_living_function_is_imported(tmp_path: Path) -> None:
    shop = "class Shop(dict):\n    def __init__(self):\n        super().__init__()\n"
    tests = "from shop.price import Shop\n\ndef test_a_shop_opens():\n    assert Shop() == {}\n"
    assert told(run(tmp_path, shop, tests), "SURVIVED") == ["shop.price:Shop.__init__: super().__init__(): removed"]


def test_tests_that_fail_without_a_mutant_tell_nothing(tmp_path: Path) -> None:
    ran = run(tmp_path, SHOP, "def test_nothing_holds():\n    assert False\n")
    assert ran.returncode == 2
    assert "tests/test_price.py::test_nothing_holds" in ran.stderr


def test_what_promises_nothing_is_left_alone() -> None:
    assert mutants(SHOP_WITHOUT_PROMISES, "shop") == []


SHOP_WITHOUT_PROMISES = '''
"""Text."""
from dataclasses import dataclass
from typing import NewType, TypeAlias
__all__ = ["A"]
Name = NewType("Name", str)
Names: TypeAlias = tuple[str, "Name"]
@dataclass(frozen=True, slots=True)
class A(Base, frozen=True):
    """Text."""
    __slots__ = ("one",)
    one: "A"
    def two(self, three: "A") -> "A":
        """Text."""
        assert three == 1, "text"
        match three:
            case _:
                assert_never(three)
'''


@pytest.mark.parametrize(
    ("statement", "changes"),
    [
        ("return a and b", ["return a and b -> return None", "a and b -> a or b", "a and b -> b", "a and b -> a"]),
        ("if not a: pass", ["not a -> a"]),
        ("if a: pass", ["a -> not a"]),
        ("x = -a", ["x = -a -> x = None", "-a -> a"]),
        ("x += 1", ["x += 1 -> x -= 1", "x += 1: removed", "x += 1 -> x += 2", "x += 1 -> x += 0"]),
        ("f(a)", ["f(a): removed"]),
        ("max(a, b)", ["max(a, b): removed", "max(a, b) -> min(a, b)"]),
        ("raise E(f'{a + 1}')", ["raise E(…): removed"]),
        ("for a in b: break", ["break -> continue"]),
        ("return a < b < c", ["return a < b < c -> return None"] + [f"a < b < c -> {c}" for c in (
            "a <= b < c", "a >= b < c", "a < b <= c", "a < b >= c")]),
        ("return (True, 1 == a)", ["return (True, 1 == a) -> return None", "(True, 1 == a) -> (False, 1 == a)",
            "1 == a -> 1 != a", "1 == a -> 2 == a", "1 == a -> 0 == a"]),
        ("f(1); f(1)", ["f(1): removed", "f(1) -> f(2)", "f(1) -> f(0)",
            "f(1): removed #2", "f(1) -> f(2) #2", "f(1) -> f(0) #2"]),
    ],
)  # fmt: skip
def test_every_small_change_of_a_statement_is_a_mutant(statement: str, changes: list[str]) -> None:
    found = mutants(f"def of(a, b, c):\n    {statement}\n", "shop")
    assert [mutant.key for mutant in found] == [f"shop:of: {change}" for change in changes]


PAGE = """words
<!-- table -->
old
| `shop.a` | 3 | 2 | 1 | 0 |
| `shop.b` | 9 | 9 | 9 | 9 |
<!-- end -->
more words
<!-- survivors -->
<!-- end -->
"""


def test_the_report_takes_the_modules_of_a_run_and_keeps_the_others() -> None:
    tally = Tally("shop.b")
    for key, verdict in [("k", Verdict.KILLED), ("t", Verdict.TIMEOUT), ("s", Verdict.SURVIVED)]:
        tally.add(key, verdict)
    page = updated(PAGE, [tally], {"s": "planted"})
    assert page == updated(page, [], {"s": "planted"})
    assert page.splitlines() == [
        "words",
        "<!-- table -->",
        "",
        "| module | mutants | killed | timed out | survived |",
        "|---|---|---|---|---|",
        "| `shop.a` | 3 | 2 | 1 | 0 |",
        "| `shop.b` | 3 | 1 | 1 | 1 |",
        "| `all` | 6 | 3 | 2 | 1 |",
        "",
        "<!-- end -->",
        "more words",
        "<!-- survivors -->",
        "",
        "- `s`",
        "",
        "planted",
        "",
        "<!-- end -->",
    ]


def test_an_empty_report_is_filled_in_its_places() -> None:
    empty = "<!-- table -->\n<!-- end -->\nmore words\n<!-- survivors -->\n<!-- end -->\n"
    page = updated(empty, [Tally("shop.b", killed=1)], {"s": "planted"})
    assert [line for line in page.splitlines() if line.startswith(("<!--", "more", "| `shop", "-"))] == [
        "<!-- table -->",
        "| `shop.b` | 1 | 1 | 0 | 0 |",
        "<!-- end -->",
        "more words",
        "<!-- survivors -->",
        "- `s`",
        "<!-- end -->",
    ]


def test_no_argument_stands_twice(tmp_path: Path) -> None:
    entry = "[[survivor]]\nwhy = 'because'\nmutants = ['a']\n"
    (tmp_path / "argued.toml").write_text(entry)
    assert read_arguments(tmp_path / "argued.toml") == {"a": "because"}
    (tmp_path / "argued.toml").write_text(entry * 2)
    with pytest.raises(ValueError, match="a is argued for twice"):
        read_arguments(tmp_path / "argued.toml")
