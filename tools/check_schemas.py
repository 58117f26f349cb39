"""Compares the Avro files with every released version of them, as `schemas/history/` holds them.

`schemas/history/0001/usage/UsageRecorded.avsc` is version 1 of a record. A version is never changed: a record that
changes gets its next number with `--release`, once it can read all that came before it. What the registry checks
(BACKWARD_TRANSITIVE) and what it does not (decimals, units of time) are both checked here.

Exits 1 where a file can't read a released version, differs from its newest one, or is missing.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from schemas.compatibility import incompatibilities
from schemas.topics import TOPICS

SCHEMAS: Final = Path(__file__).resolve().parent.parent / "schemas"


def problems(schemas: Path) -> list[str]:
    """Returns what is wrong with the files below a schemas directory, one sentence each."""
    found = []
    for name, path in sorted(current(schemas).items()):
        versions = released(schemas, name)
        for version in versions:
            broken = incompatibilities(path.read_text(), version.read_text())
            found += [f"{name} can't read {version.relative_to(schemas)}: {problem}" for problem in broken]
        if not versions or json.loads(versions[-1].read_text()) != json.loads(path.read_text()):
            found.append(f"{name} differs from its newest released version: python tools/check_schemas.py --release")
    found += [f"{name} was released and has no file any more" for name in sorted(_lost(schemas))]
    return found


def release(schemas: Path) -> list[str]:
    """Returns the names of the records whose files are now their newest released version."""
    changed = []
    for name, path in sorted(current(schemas).items()):
        versions = released(schemas, name)
        if versions and json.loads(versions[-1].read_text()) == json.loads(path.read_text()):
            continue
        number = int(versions[-1].relative_to(schemas).parts[1]) + 1 if versions else 1
        target = schemas / "history" / f"{number:04}" / path.relative_to(schemas)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(path.read_text())
        changed.append(name)
    return changed


def current(schemas: Path) -> dict[str, Path]:
    """Returns the files of today by context and record: `usage/UsageRecorded`."""
    paths = [path for path in schemas.glob("*/*.avsc") if path.parent.name != "history"]
    return {path.relative_to(schemas).with_suffix("").as_posix(): path for path in paths}


def released(schemas: Path, name: str) -> list[Path]:
    """Returns the released versions of a record, oldest first."""
    return sorted((schemas / "history").glob(f"*/{name}.avsc"))


def main(arguments: list[str]) -> int:
    """Checks, or releases what passes the check; returns the exit status."""
    found = problems(SCHEMAS) + list(_undeclared())
    if "--release" in arguments:
        found = [problem for problem in found if "differs from its newest" not in problem]
        if not found:
            print("\n".join(f"released {name}" for name in release(SCHEMAS)) or "nothing has changed")
    print("\n".join(found), file=sys.stderr, end="\n" if found else "")
    return 1 if found else 0


def _lost(schemas: Path) -> set[str]:
    released_names = {
        path.relative_to(schemas / "history").with_suffix("").as_posix().partition("/")[2]
        for path in (schemas / "history").glob("*/*/*.avsc")
    }
    return released_names - current(schemas).keys()


def _undeclared() -> Iterator[str]:
    carried = {record for topic in TOPICS for record in topic.records}
    ours = {f"beaas.{name.replace('/', '.')}" for name in current(SCHEMAS)}
    yield from (f"{record} stands on no topic: declare it in schemas/topics.py" for record in sorted(ours - carried))
    yield from (f"schemas/topics.py names {record}, which has no file" for record in sorted(carried - ours))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
