"""What stands beside the usage of one subscription: quantities, charges, coupons and commitments."""

from typing import Final

import msgspec

from billing.account.charges import Charge, Charges
from billing.account.commitments import Commitments, Term
from billing.account.coupons import Coupons, Given, Held
from billing.account.fees import Fees, Stretches


class AddendaRecord(msgspec.Struct, array_like=True):
    """The addenda as the head keeps them."""

    quantities: dict[str, str] = {}
    stretches: Stretches = {}
    paid_under: list[int] = []
    charged: list[str] = []
    waiting: list[Charge] = []
    coupons: list[Held] = []
    given: list[Given] = []
    commitments: list[Term] = []


_EMPTY: Final = AddendaRecord()


class Addenda:
    """The addenda; every command that changes them rewrites the head."""

    __slots__ = ("charges", "commitments", "coupons", "fees")

    def __init__(self, record: AddendaRecord | None) -> None:
        kept = record or _EMPTY
        self.fees = Fees(kept.quantities, kept.stretches, kept.paid_under)
        self.charges = Charges(kept.charged, kept.waiting)
        self.coupons = Coupons(kept.coupons, kept.given)
        self.commitments = Commitments(kept.commitments)

    def record(self) -> AddendaRecord | None:
        """Returns what the head keeps of them; None for nothing, as most subscriptions have."""
        kept = AddendaRecord(
            self.fees.quantities,
            self.fees.stretches,
            list(self.fees.paid_under),
            self.charges.charged,
            self.charges.waiting,
            self.coupons.held,
            self.coupons.given,
            self.commitments.terms,
        )
        return None if kept == _EMPTY else kept

    def expire(self, before_us: int) -> None:
        """Forgets what ended before this instant: no window that still takes usage, or is open, lies in it."""
        self.coupons.expire(before_us)
        self.commitments.expire(before_us)
