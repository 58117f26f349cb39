"""I12, I16 and I17: what stands is what a fold of its log gives, byte for byte, again and again."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from billing.invariants.finding import Finding, refold_of


class RefoldFact(NamedTuple):
    """One thing by its name: as it stands, and as it comes out of a refold or as it was told when it became final.

    Bytes or digests of them, the same on both sides; None where there is none.
    """

    tenant: str
    name: str
    stands: bytes | None
    refolded: bytes | None


def state_is_its_fold(states: Iterable[RefoldFact]) -> Iterator[Finding]:
    """I12: a table is the fold of its changelog, and of its source up to the position that it names."""
    return _compared("I12", states, "Stop the worker, delete its data directory, and start it: it restores itself")


def finals_stay(finals: Iterable[RefoldFact]) -> Iterator[Finding]:
    """I16: final invoices and ledger entries are, to the byte, what they were when they became final."""
    return _compared("I16", finals, "Final rows never change: find who changed it, and correct it by a new entry")


def replay_agrees(replayed: Iterable[RefoldFact]) -> Iterator[Finding]:
    """I17: folding the journal again from its beginning gives the same invoices, to the byte."""
    for fact in replayed:
        yield from _compared("I17", [fact], f"See which line differs{refold_of(fact.tenant)}")


def _compared(invariant: str, facts: Iterable[RefoldFact], remedy: str) -> Iterator[Finding]:
    for fact in facts:
        if fact.stands != fact.refolded:
            detail = f"stands as {_shown(fact.stands)} and comes out as {_shown(fact.refolded)}. {remedy}"
            yield Finding(invariant, fact.tenant, fact.name, detail)


_SHOWN_BYTES = 32


def _shown(what: bytes | None) -> str:
    if what is None:
        return "nothing"
    return what.hex() if len(what) <= _SHOWN_BYTES else f"{what[:_SHOWN_BYTES].hex()}… ({len(what)} bytes)"
