"""Runs the product on a case that an oracle has answered."""

import os
from typing import Any

import msgspec
import yaml

from streams.conformance.case import PriceCase, Scenario
from streams.conformance.run import differences

KINDS = {"price": PriceCase, "scenario": Scenario}


def seeds(count: int, *, chunks: int) -> list[range]:
    """So many seeds from BEAAS_ORACLE_SEED (0) on, in chunks."""
    base, size = int(os.environ.get("BEAAS_ORACLE_SEED", "0")), count // chunks
    return [range(start, start + size) for start in range(base, base + count, size)]


def check(kind: str, case: dict[str, Any], seed: int) -> None:
    """The product answers as the case expects.

    Raises:
        AssertionError: it does not; the text has the seed, what differs, and the case as a file that the runner reads.
    """
    if found := disagreement(kind, case):
        raise AssertionError(f"seed {seed}:\n" + "\n".join(found) + f"\n{file_text(kind, case)}")


def file_text(kind: str, case: dict[str, Any]) -> str:
    """A file of the case, which the runner reads."""
    return yaml.dump({"kind": kind, "cases": [case]}, Dumper=Plain, sort_keys=False, width=120)


def disagreement(kind: str, case: dict[str, Any]) -> list[str]:
    """What the product answers otherwise than the case expects."""
    return list(differences(msgspec.convert(case, KINDS[kind])))


class Plain(yaml.SafeDumper):
    """Writes each value where it stands."""

    def ignore_aliases(self, _: Any) -> bool:
        """Repeats are written again."""
        return True
