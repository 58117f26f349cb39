"""Mutation tests: every small change of the code under test must make a test fail, or be argued for.

    python -m tools.mutate                            all of billing/
    python -m tools.mutate billing/money.py billing/account
    python -m tools.mutate --only round_to_minor billing/money.py
    python -m tools.mutate --write                    as well brings docs/mutation.md up to date

Exits 1 where a mutant survives that `tests/mutation/survivors.toml` has no argument for, or an argument has no
survivor; 2 where the tests fail without a mutant.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.mutate.operators import Mutant, mutants
from tools.mutate.report import Tally, read_arguments, updated
from tools.mutate.trials import Source, TestsFail, Verdict, run_all

TESTS: Final = ("tests/billing", "tests/conformance", "tests/inquiry", "tests/invariants", "tests/oracle")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the mutants; returns the exit status."""
    given = _arguments(argv)
    sources = [_source(path) for path in _files(given.paths)]
    chosen = [
        mutant for source in sources for mutant in mutants(source.text, source.module) if given.only in mutant.key
    ]
    argued = read_arguments(given.arguments)
    if given.list:
        print("\n".join(mutant.key for mutant in chosen))
        return 0
    tallies = {source.module: Tally(source.module) for source in sources}

    def tell(mutant: Mutant, verdict: Verdict) -> None:
        tallies[mutant.module].add(mutant.key, verdict)
        if verdict is Verdict.SURVIVED and mutant.key not in argued:
            print(f"SURVIVED {mutant.key}", flush=True)

    try:
        run_all(sources, chosen, given.tests or list(TESTS), tell)
    except TestsFail as failed:
        print(f"the tests fail where nothing is mutated:\n{failed}", file=sys.stderr)
        return 2
    survived = {key for tally in tallies.values() for key in tally.survivors}
    gone = [] if given.only else [key for key in argued if key.split(":")[0] in tallies and key not in survived]
    for key in gone:
        print(f"NO SUCH SURVIVOR {key}")
    print(_summary(list(tallies.values()), len(survived - set(argued))))
    if given.write and not given.only:
        given.write.write_text(updated(given.write.read_text(), list(tallies.values()), argued))
    return 1 if gone or survived - set(argued) else 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make mutate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="*", type=Path, default=[Path("billing")], help="files or directories")
    parser.add_argument("--only", default="", metavar="TEXT", help="only mutants whose key has this text in it")
    parser.add_argument("--list", action="store_true", help="print the keys of the mutants and run nothing")
    parser.add_argument("--tests", action="append", metavar="PATH", help=f"what may kill a mutant: {', '.join(TESTS)}")
    parser.add_argument("--arguments", type=Path, default=Path("tests/mutation/survivors.toml"))
    parser.add_argument(
        "--write", nargs="?", type=Path, const=Path("docs/mutation.md"), help="the report to bring up to date"
    )
    return parser.parse_args(argv)


def _files(paths: Sequence[Path]) -> list[Path]:
    found = [file for path in paths for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    return list(dict.fromkeys(found))


def _source(path: Path) -> Source:
    parts = path.with_suffix("").parts
    return Source(".".join(parts[:-1] if parts[-1] == "__init__" else parts), path, path.read_text())


def _summary(tallies: Sequence[Tally], unargued: int) -> str:
    tried = sum(tally.tried for tally in tallies)
    killed = sum(tally.killed for tally in tallies)
    timeouts = sum(tally.timeouts for tally in tallies)
    survived = sum(len(tally.survivors) for tally in tallies)
    return (
        f"{tried} mutants in {sum(os.times()[:4]):.0f} processor seconds: "
        f"{killed} killed, {timeouts} timed out, {survived} survived, {unargued} of them without an argument"
    )


if __name__ == "__main__":
    sys.exit(main())
