"""The coupons of one subscription: which are in force for a line, and what they take off it."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec
from msgspec.structs import replace

from billing.account.draft import Draft
from billing.account.tariff import Tariff
from billing.allocation import spread
from billing.coupon import Discount, discount, percent_off
from billing.currency import Currency
from billing.entry import Coupon
from billing.errors import IllegalTransition
from billing.statement import Line

MOST_HELD: Final = 200  # ended ones too, until no usage that they could count for is taken any more


class Held(msgspec.Struct, array_like=True):
    """A coupon that was applied: in force from `since_us` up to `until_us`, without end for None."""

    number: int
    coupon: Coupon
    since_us: int
    until_us: int | None


class Given(msgspec.Struct, array_like=True):
    """What an amount coupon has given in one billing period, of lines that came to `eligible` so far: minor units."""

    number: int
    period_us: int
    period_end_us: int
    eligible: str = "0"  # texts: msgpack has no integer of more than 64 bits
    given: str = "0"


class Taken(NamedTuple):
    """What was taken off one line, by its place: by all coupons in percent together, or by one of an amount.

    Of an amount coupon `eligible_minor` is what the lines of the billing period come to, less other coupons, and
    `given_minor` what it has given them, this time counted.
    """

    place: int
    coupons: tuple[Coupon, ...]
    off_minor: int
    eligible_minor: int | None = None
    given_minor: int | None = None


class Coupons:
    """The coupons that were applied, in that order, and what those of an amount have given.

    `taken` is what the newest statement's lines had taken off, for whoever wants to explain them.
    """

    def __init__(self, held: Iterable[Held], given: Iterable[Given]) -> None:
        self.held = list(held)
        self.given = list(given)
        self.taken: list[Taken] = []

    def apply(self, coupon: Coupon, since_us: int, until_us: int | None) -> None:
        """From `since_us` on the coupon is in force."""
        # A number is given again only once every coupon is forgotten, and no fee of the open window names it.
        number = self.held[-1].number + 1 if self.held else 0
        self.held.append(Held(number, coupon, since_us, until_us))

    def remove(self, code: str, at_us: int) -> None:
        """From `at_us` on the coupon is in force no more."""
        for one in self._in_force_at(code, at_us):
            one.until_us = at_us

    def in_force(self, at_us: int) -> tuple[int, ...]:
        """Returns the numbers of the coupons that are in force for what is paid now."""
        return tuple([one.number for one in self.held if one.since_us <= at_us and _lasts(one, at_us)])

    def check_apply(self, coupon: Coupon, currency: Currency, at_us: int) -> None:
        """Refuses a coupon that is in force already, or one too many.

        Raises:
            IllegalTransition: the text says what is allowed.
            InvalidDefinition: the coupon means nothing in this currency.
        """
        discount(coupon, currency)
        if self._in_force_at(coupon.code, at_us):
            raise IllegalTransition(f"coupon {coupon.code} is in force already; remove it first")
        if len(self.held) >= MOST_HELD:
            raise IllegalTransition(
                f"{MOST_HELD} coupons were applied to the subscription lately; wait until some expire"
            )

    def check_remove(self, code: str, at_us: int) -> None:
        """Refuses to remove a coupon that is not in force.

        Raises:
            IllegalTransition: the text says which are.
        """
        if not self._in_force_at(code, at_us):
            known = ", ".join(one.coupon.code for one in self.held if _lasts(one, at_us)) or "none"
            raise IllegalTransition(f"coupon {code} is not in force; in force are: {known}")

    def take_off(self, drafts: Sequence[Draft], anchor_us: int) -> list[Line]:
        """Returns the lines, with what the coupons take off each.

        Coupons in percent first, all of them in one rounding; then those of an amount, in the order in which they were
        applied: each gives `min(amount_off, max(S, 0))` for a billing period whose lines come to S, less what it has
        given before, spread over the lines in proportion to what is left of them.
        """
        self.taken = []
        if not self.held:
            return [draft.line for draft in drafts]
        read = {one.number: _discount(one.coupon, drafts[0].tariff.currency) for one in self.held} if drafts else {}
        off = self._percents(drafts, read)
        for held in self.held:
            if read and read[held.number].off_minor is not None:
                self._give(held, read[held.number], drafts, off, anchor_us)
        return [
            replace(draft.line, amount_minor=draft.line.amount_minor - taken, discount_minor=taken)
            if taken
            else draft.line
            for draft, taken in zip(drafts, off, strict=True)
        ]

    def expire(self, before_us: int) -> None:
        """Forgets what no line can ask for any more: what ended before this instant."""
        self.held = [one for one in self.held if one.until_us is None or one.until_us >= before_us]
        numbers = {one.number for one in self.held}
        self.given = [one for one in self.given if one.number in numbers and one.period_end_us >= before_us]

    def _percents(self, drafts: Sequence[Draft], read: Mapping[int, Discount]) -> list[int]:
        """Returns what the coupons in percent take off each draft."""
        in_percent = [one for one in self.held if one.coupon.percent_off is not None]
        off = []
        for place, draft in enumerate(drafts):
            held = [one for one in in_percent if _is_in_force(one, read[one.number], draft)]
            discounts, before = [read[one.number] for one in held], draft.before_minor
            taken = percent_off(before + draft.line.amount_minor, discounts) - percent_off(before, discounts)
            off.append(taken if discounts else 0)
            if discounts:
                self.taken.append(Taken(place, tuple(one.coupon for one in held), taken))
        return off

    def _give(self, held: Held, discount: Discount, drafts: Sequence[Draft], off: list[int], anchor_us: int) -> None:
        """Adds to `off` what one coupon of an amount takes off."""
        places: dict[int, list[int]] = {}
        ends: dict[int, int] = {}
        for place, draft in enumerate(drafts):
            if _is_in_force(held, discount, draft):
                start_us, end_us = _period_of(draft.tariff, anchor_us, draft.line.period_start_us)
                places.setdefault(start_us, []).append(place)
                ends[start_us] = max(end_us, ends.get(start_us, end_us))
        for start_us, found in places.items():
            left = [drafts[place].line.amount_minor - off[place] for place in found]
            given = self._given_in(held, start_us, ends[start_us])
            assert discount.off_minor is not None
            eligible = int(given.eligible) + sum(left)
            now = min(discount.off_minor, max(eligible, 0))
            for place, share in zip(found, spread(now - int(given.given), [abs(one) for one in left]), strict=True):
                off[place] += share
                self.taken.append(Taken(place, (held.coupon,), share, eligible, now))
            given.eligible, given.given = str(eligible), str(now)

    def _given_in(self, held: Held, start_us: int, end_us: int) -> Given:
        for one in self.given:
            if (one.number, one.period_us) == (held.number, start_us):
                one.period_end_us = max(one.period_end_us, end_us)
                return one
        self.given.append(Given(held.number, start_us, end_us))
        return self.given[-1]

    def _in_force_at(self, code: str, at_us: int) -> list[Held]:
        return [one for one in self.held if one.coupon.code == code and _lasts(one, at_us)]


def _is_in_force(held: Held, discount: Discount, draft: Draft) -> bool:
    """A fee knows what it was paid under; a charge asks what began by then, what is billed at its end what before."""
    if not draft.discountable or not discount.covers(draft.line.price):
        return False
    if draft.coupons is not None:
        return held.number in draft.coupons
    if draft.paid_us is not None:
        return held.since_us <= draft.paid_us and _lasts(held, draft.paid_us)
    end_us = draft.line.period_end_us
    return held.since_us < end_us and (held.until_us is None or end_us <= held.until_us)


def _lasts(held: Held, at_us: int) -> bool:
    return held.until_us is None or at_us < held.until_us


@lru_cache(maxsize=1024)
def _discount(coupon: Coupon, currency: Currency) -> Discount:
    return discount(coupon, currency)


@lru_cache(maxsize=1024)  # all groups of a price ask for the same; one answer takes about 20 µs
def _period_of(tariff: Tariff, anchor_us: int, at_us: int) -> tuple[int, int]:
    return tariff.period_of(anchor_us, at_us)
