"""The report of the mutation tests, and the arguments for mutants that no test can tell."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tools.mutate.trials import Verdict

_HEAD: Final = "| module | mutants | killed | timed out | survived |\n|---|---|---|---|---|"
_TABLE: Final = re.compile(r"(?<=<!-- table -->\n).*?(?=<!-- end -->)", re.DOTALL)
_ARGUED: Final = re.compile(r"(?<=<!-- survivors -->\n).*?(?=<!-- end -->)", re.DOTALL)
_ROW: Final = re.compile(r"^\| `([\w.]+)` \|.*$", re.MULTILINE)
_CELLS: Final = 4


@dataclass(slots=True)
class Tally:
    """What became of the mutants of one module."""

    module: str
    killed: int = 0
    timeouts: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def tried(self) -> int:
        """How many mutants there were."""
        return self.killed + self.timeouts + len(self.survivors)

    def add(self, key: str, verdict: Verdict) -> None:
        """Counts one more."""
        match verdict:
            case Verdict.KILLED:
                self.killed += 1
            case Verdict.TIMEOUT:
                self.timeouts += 1
            case Verdict.SURVIVED:
                self.survivors.append(key)


def read_arguments(path: Path) -> dict[str, str]:
    """Returns why no test can tell a mutant, by the mutant's key.

    Raises:
        ValueError: one of them is argued for twice.
    """
    if not path.exists():
        return {}
    arguments: dict[str, str] = {}
    for entry in tomllib.loads(path.read_text()).get("survivor", []):
        for mutant in entry["mutants"]:
            if mutant in arguments:
                raise ValueError(f"{mutant} is argued for twice")
            arguments[mutant] = entry["why"]
    return arguments


def updated(page: str, tallies: Sequence[Tally], argued: Mapping[str, str]) -> str:
    """Returns the page with the rows of these modules and all arguments; rows of other modules stay as they are."""
    rows = {found[1]: found[0] for found in _ROW.finditer(page) if found[1] != "all"}
    for tally in tallies:
        if tally.tried:
            rows[tally.module] = _row(tally.module, tally.tried, tally.killed, tally.timeouts, len(tally.survivors))
    sums = [sum(int(row.split("|")[column]) for row in rows.values()) for column in range(2, 2 + _CELLS)]
    table = "\n".join([_HEAD, *(rows[module] for module in sorted(rows)), _row("all", *sums)])
    page = _TABLE.sub(lambda _: f"\n{table}\n\n", page, count=1)
    return _ARGUED.sub(lambda _: f"\n{_reasons(argued)}\n\n", page, count=1)


def _row(module: str, *cells: int) -> str:
    return " | ".join([f"| `{module}`", *map(str, cells)]) + " |"


def _reasons(argued: Mapping[str, str]) -> str:
    """Mutants with the same argument stand together."""
    together: dict[str, list[str]] = {}
    for key, why in argued.items():
        together.setdefault(why, []).append(key)
    return "\n\n".join("\n".join([*(f"- `{key}`" for key in keys), "", why]) for why, keys in together.items())
