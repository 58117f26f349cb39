"""What a term comes to at least: how much of it is there, and what is owed where it came short."""

from collections.abc import Iterable

import msgspec

from billing.account.draft import Draft
from billing.account.tariff import Tariff, tariff
from billing.money import round_to_minor
from billing.statement import Line, LineKind


class Term(msgspec.Struct, array_like=True):
    """One term of one commitment, while one plan has it.

    A term is `full_us` long; `served_us` of it were windows that were billed, so a part of the amount is committed.
    `counted` is what their lines came to before coupons, `billed` what was owed on top, once it is over: minor units.
    """

    agreed: bytes
    number: int
    start_us: int
    end_us: int
    full_us: int
    served_us: int = 0
    counted: str = "0"  # texts: msgpack has no integer of more than 64 bits
    billed: str | None = None
    ended: bool = False
    """Whether its plan ended before it did."""

    @property
    def is_open(self) -> bool:
        """Whether it has not been trued up yet."""
        return self.billed is None

    @property
    def shortfall_minor(self) -> int:
        """What is missing of the part of the amount that is committed."""
        priced = tariff(self.agreed)
        share = priced.commitment(self.number).part(self.served_us, self.full_us)
        return max(round_to_minor(share, priced.currency) - int(self.counted), 0)

    def count(self, amount_minor: int) -> None:
        """Takes in what a line came to."""
        self.counted = str(int(self.counted) + amount_minor)


class Commitments:
    """The terms of one subscription: open ones, and those that late usage may still change."""

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms = list(terms)

    def begin(self, priced: Tariff, anchor_us: int, at_us: int) -> None:
        """A window begins at `at_us`: it belongs to the term that contains this instant."""
        for commitment in priced.commitments:
            if not any(term.is_open and term.number == commitment.number for term in self.terms):
                start_us, end_us = priced.term_of(commitment, anchor_us, at_us)
                self.terms.append(Term(priced.written, commitment.number, at_us, end_us, end_us - start_us))

    def rezone(self, priced: Tariff, anchor_us: int) -> None:
        """The boundaries that are to come fall in another zone, and so do the ends of the open terms."""
        for term in [term for term in self._open() if not term.ended]:
            start_us, end_us = priced.term_of(priced.commitment(term.number), anchor_us, term.start_us)
            term.agreed, term.end_us, term.full_us = priced.written, end_us, end_us - start_us

    def serve(self, length_us: int) -> None:
        """So much of the open terms was billed."""
        for term in self._open():
            term.served_us += length_us

    def count(self, drafts: Iterable[Draft]) -> None:
        """The lines belong to the open terms."""
        amount = sum(draft.line.amount_minor for draft in drafts)
        for term in self._open():
            term.count(amount)

    def count_late(self, drafts: Iterable[Draft]) -> None:
        """Each line belongs to the terms that its window lies in."""
        for draft in drafts:
            for term in self.terms:
                if term.start_us <= draft.line.period_start_us < term.end_us:
                    term.count(draft.line.amount_minor)

    def end(self, at_us: int) -> None:
        """The plan ends: so do the open terms."""
        for term in self._open():
            term.end_us, term.ended = min(term.end_us, at_us), True

    def true_up(self, at_us: int) -> list[Draft]:
        """Returns what is owed for the terms that are over at `at_us` and were not trued up."""
        drafts = []
        for term in [term for term in self._open() if term.end_us <= at_us]:
            owed = term.shortfall_minor
            term.billed = str(owed)
            if owed:
                drafts.append(_draft(term, LineKind.TRUE_UP, "1", owed))
        return drafts

    def adjust(self) -> list[Draft]:
        """Returns what late usage changes of terms that were trued up, the oldest first."""
        drafts = []
        for term in self.terms:
            owed, billed = term.shortfall_minor, term.billed
            if billed is not None and owed != int(billed):
                drafts.append(_draft(term, LineKind.ADJUSTMENT, "0", owed - int(billed)))
                term.billed = str(owed)
        return drafts

    def expire(self, before_us: int) -> None:
        """Forgets the terms that ended before this instant: no usage changes them any more."""
        self.terms = [term for term in self.terms if term.is_open or term.end_us >= before_us]

    def _open(self) -> list[Term]:
        return [term for term in self.terms if term.is_open]


def _draft(term: Term, kind: LineKind, quantity: str, amount_minor: int) -> Draft:
    priced = tariff(term.agreed)
    price = priced.commitment(term.number).price
    line = Line(
        kind=kind,
        price=price.code,
        group={},
        quantity=quantity,
        amount_minor=amount_minor,
        period_start_us=term.start_us,
        period_end_us=term.end_us,
        taxable=price.taxable,
        events=0,
    )
    return Draft(term.number, line, priced, discountable=False)
