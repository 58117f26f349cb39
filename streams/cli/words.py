"""An explanation in words and numbers: sections of rows, each with what it adds."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from billing.inquiry import ChargeWhy, CommitmentWhy, FeeWhy, UsageWhy
from billing.instant import DAY_US, instant
from billing.meter import Aggregation
from billing.money import Money
from billing.price import needs_events
from billing.pricing import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Package,
    PartialPackages,
    Percentage,
    PerUnit,
    Volume,
)
from billing.quantity import SHOWN_DIGITS, ZERO, nearest, plain
from billing.statement import LineKind
from billing.step import StepKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from zoneinfo import ZoneInfo

    from billing.account.coupons import Taken
    from billing.currency import Currency
    from billing.inquiry import Billed, Explained
    from billing.meter import Meter
    from billing.pricing import Pricing
    from billing.step import Exact, Step

MOST_STEPS: Final = 40
"""Of one price: percentages may have one for each event."""

_READS: Final = {
    Aggregation.COUNT: "the number of {event} events",
    Aggregation.SUM: "the sum of {property} over {event} events",
    Aggregation.MAX: "the greatest {property} of {event} events",
    Aggregation.MIN: "the least {property} of {event} events",
    Aggregation.AVG: "the average {property} of {event} events",
    Aggregation.UNIQUE: "how many different {property} the {event} events have",
    Aggregation.LATEST: "the last {property} of {event} events",
    Aggregation.WEIGHTED_SUM: "the time average of a level, which each {event} event changes by its {property}",
    Aggregation.PERCENTILE: "the {percentile}th percentile of {property} of {event} events",
}


class Row(NamedTuple):
    """One row: what is said, the arithmetic, and what comes of it."""

    text: str
    formula: str = ""
    result: str = ""


class Section(NamedTuple):
    """Rows under a heading."""

    heading: str
    rows: tuple[Row, ...]


class Words:
    """How one statement's numbers and instants are written.

    Args:
        currency: of its amounts.
        zone: that its instants are shown in.
        numbered: the invoice's number by statement.
    """

    def __init__(self, currency: Currency, zone: ZoneInfo, numbered: Mapping[str, str]) -> None:
        self._currency, self._zone, self._numbered = currency, zone, numbered

    def sections(self, told: Explained) -> Iterator[Section]:
        """Yields how a line came about, in the order of the calculation."""
        why = told.why
        match why:
            case UsageWhy():
                yield Section("measured", tuple(self._measured(why)))
                yield Section("priced", tuple(self._priced(why)))
                if told.line.kind is LineKind.ADJUSTMENT:
                    yield Section("billed before", tuple(self._before(why.before, why.amount_minor, told.owed_minor)))
            case FeeWhy():
                yield Section("priced", tuple(self._fee(why, told)))
            case CommitmentWhy():
                yield Section("committed", tuple(self._commitment(why)))
                if told.line.kind is LineKind.ADJUSTMENT:
                    rows = self._before(why.before, why.shortfall_minor, told.owed_minor)
                    yield Section("billed before", tuple(rows))
            case ChargeWhy():
                yield Section("priced", tuple(self._charge(why, told.owed_minor)))
            case _:
                assert_never(why)
        if told.taken:
            yield Section("coupons", tuple(map(self._coupon, told.taken)))

    def money(self, minor: int) -> str:
        """An amount in major units, without its currency."""
        return f"{Money(minor, self._currency).major():,f}"

    def at(self, at_us: int) -> str:
        """An instant in the zone; only a day where it is midnight there."""
        local = instant(at_us).astimezone(self._zone)
        if (local.hour, local.minute, local.second, local.microsecond) == (0, 0, 0, 0):
            return f"{local:%Y-%m-%d}"
        return f"{local:%Y-%m-%d %H:%M:%S}" + (f".{local:%f}" if local.microsecond else "")

    def period(self, start_us: int, end_us: int) -> str:
        """A stretch of time."""
        return self.at(start_us) if start_us == end_us else f"{self.at(start_us)} … {self.at(end_us)}"

    # --- usage

    def _measured(self, why: UsageWhy) -> Iterator[Row]:
        meter = why.meter
        yield Row(f"meter {meter.code}: {_reads(meter)}")
        if meter.group_by:
            yield Row(f"each {', '.join(meter.group_by)} by itself")
        if why.carried is not None:
            yield Row("the level that the window before closed with", "", amount_text(why.carried))
        yield Row(f"quantity of {why.events:,} {'event' if why.events == 1 else 'events'}", "", number(why.quantity))
        if why.together is not None:
            groups = len(why.together.shares)
            yield Row(f"quantity of all {groups:,} groups, which are priced together", "", number(why.priced))

    def _priced(self, why: UsageWhy) -> Iterator[Row]:
        yield Row(f"price {why.price.code}, {_model(why.price.pricing)}")
        if not why.steps and not why.events:
            yield Row("no event is left of this group: nothing is owed", "", self.money(0))
            return
        for step in why.steps[:MOST_STEPS]:
            yield self._step(step)
        if len(why.steps) > MOST_STEPS:
            rest = sum((Fraction(step.amount) for step in why.steps[MOST_STEPS:]), Fraction(0))
            yield Row(f"... and {len(why.steps) - MOST_STEPS:,} more steps", "", self._exact(rest))
        if needs_events(why.price) and len(why.steps) < why.events:
            yield Row(f"{why.events - len(why.steps):,} events are free")
        if why.together is None:
            yield from self._rounded(why.exact, why.amount_minor)
            return
        yield from self._rounded(why.exact, why.together.amount_minor)
        weights = sum((max(share.quantity, ZERO) for share in why.together.shares), ZERO)
        yield Row(
            "this group's share, in proportion to the quantities, by the largest remainder",
            f"{number(max(why.quantity, ZERO))} of {number(weights)}",
            self.money(why.amount_minor),
        )

    def _step(self, step: Step) -> Row:  # noqa: C901, PLR0911, PLR0912 - one for each kind
        units, rate, result = number(step.units), amount_text(step.rate), self._exact(step.amount)
        flat = f" + {amount_text(step.flat)} flat" if step.flat else ""
        match step.kind:
            case StepKind.CONVERTED:
                how = f"divided by {plain(step.size)}" if step.size is not None else f"times {plain(step.rate)}"
                return Row(f"converted: the quantity {how}", "", f"{units} units")
            case StepKind.FREE_UNITS:
                assert step.size is not None
                return Row(f"free: {units} of up to {number(step.size)} units")
            case StepKind.UNITS:
                return Row("every unit", f"{units} x {rate}", result)
            case StepKind.TIER:
                return Row(f"tier {_bounds(step)}", f"{units} x {rate}{flat}", result)
            case StepKind.ONE_TIER:
                return Row(f"all of it in the tier {_bounds(step)}", f"{units} x {rate}{flat}", result)
            case StepKind.NOTHING_USED:
                what = "the first tier's flat amount is owed" if step.amount else "nothing is owed"
                return Row(f"nothing used: {what}", "", result)
            case StepKind.PACKAGES:
                assert step.size is not None
                return Row(f"packages of {number(step.size)}", f"{units} x {rate}", result)
            case StepKind.PERCENT:
                return Row(f"{plain(step.rate)} % of the sum", f"{units} x {plain(step.rate)} %", result)
            case StepKind.EVENT:
                assert step.size is not None
                part = "" if step.units == step.size else f", {units} of it not free"
                return Row(
                    f"event {step.number:,} of {number(step.size)}{part}",
                    f"{units} x {plain(step.rate)} %{flat}",
                    result,
                )
            case StepKind.DISCOUNT:
                return Row(
                    f"discount of {plain(step.rate)} %", f"{self._exact(step.units)} x -{plain(step.rate)} %", result
                )
            case StepKind.MAXIMUM:
                return Row(f"not more than {amount_text(step.flat)} a period", "", result)
            case StepKind.MINIMUM:
                return Row(f"not less than {amount_text(step.flat)} a period", "", result)
            case _:
                assert_never(step.kind)

    def _before(self, before: tuple[Billed, ...], now_minor: int, owed_minor: int) -> Iterator[Row]:
        yield Row("all of it comes to, by now", "", self.money(now_minor))
        for one in before:
            number_of = self._numbered.get(one.statement_id, one.statement_id)
            said = f"{number_of} of {self.at(one.issued_at_us)} has billed"
            yield Row(said, number(Decimal(one.quantity)), self.money(-one.amount_minor))
        if not before:
            yield Row("nothing of it was billed before", "", self.money(0))
        yield Row("the difference is owed now", "", self.money(owed_minor))

    # --- all else

    def _fee(self, why: FeeWhy, told: Explained) -> Iterator[Row]:
        line = told.line
        what = (
            "given back, as it is not used any more"
            if line.kind is LineKind.UNUSED_FEE
            else why.price.billed.replace("_", " ")
        )
        yield Row(f"price {why.price.code}, a fee for each period, {what}")
        yield Row(
            "a full period",
            f"{number(why.quantity)} x {amount_text(why.price.amount)}",
            self._exact(why.quantity * why.price.amount),
        )
        for part in why.served:
            share = Fraction(part.served.length_us, part.full.length_us)
            if share == 1:
                yield Row("served: all of the period", "", "1")
                continue
            served, full = _days(part.served.length_us), _days(part.full.length_us)
            yield Row(f"served: {served} of a period of {full}", str(share), exact_text(share))
        yield from self._rounded(why.exact, told.owed_minor)

    def _commitment(self, why: CommitmentWhy) -> Iterator[Row]:
        yield Row(f"price {why.price.code}: each term comes to {amount_text(why.price.amount)} at least")
        if why.served_us != why.term_us:
            share = Fraction(why.served_us, why.term_us)
            yield Row(
                f"{_days(why.served_us)} of a term of {_days(why.term_us)} were billed", str(share), exact_text(share)
            )
        yield Row("so committed are", "", self.money(why.committed_minor))
        yield Row("usage and fees of the term come to, before coupons", "", self.money(why.counted_minor))
        yield Row("what is short" if why.shortfall_minor else "nothing is short", "", self.money(why.shortfall_minor))

    def _charge(self, why: ChargeWhy, owed_minor: int) -> Iterator[Row]:
        yield Row("owed once, by the plan" if why.of_plan else "owed once, a charge that was added")
        yield Row("amount", f"{number(why.quantity)} x {amount_text(why.amount)}", self._exact(why.exact))
        yield from self._rounded(why.exact, owed_minor)

    def _coupon(self, taken: Taken) -> Row:
        if taken.eligible_minor is None:
            named = " and ".join(f"{coupon.code} {coupon.percent_off} %" for coupon in taken.coupons)
            once = ", rounded once" if len(taken.coupons) > 1 else ""
            return Row(f"{named} off{once}", "", self.money(-taken.off_minor))
        [coupon] = taken.coupons
        assert taken.given_minor is not None
        has = f"of {self.money(taken.eligible_minor)} in the period it gives {self.money(taken.given_minor)}"
        return Row(
            f"{coupon.code}, {coupon.amount_off} a period: {has}; this line's share", "", self.money(-taken.off_minor)
        )

    def _rounded(self, exact: Exact, minor: int) -> Iterator[Row]:
        if Money(minor, self._currency).major() != exact:
            yield Row("exactly", "", self._exact(exact))
            yield Row(f"rounded once to {self._currency.exponent} decimals, half away from zero", "", self.money(minor))
        else:
            yield Row("together", "", self.money(minor))

    def _exact(self, value: Exact) -> str:
        """An exact amount with the currency's digits at least."""
        text = exact_text(value)
        whole, point, part = text.partition(".")
        return (
            text
            if "≈" in text
            else f"{whole}.{part:0<{self._currency.exponent}}"
            if self._currency.exponent or point
            else whole
        )


def number(value: Exact) -> str:
    """A quantity with its thousands apart."""
    return exact_text(value)


def amount_text(value: Decimal) -> str:
    """A rate or an amount as it was agreed, its thousands apart."""
    return f"{value:,f}" if value == value.to_integral_value() or value.as_tuple().exponent else plain(value)


def exact_text(value: Exact) -> str:
    """All digits of a number that has an end, else the first twelve behind the point."""
    if isinstance(value, Fraction):
        rest = value.denominator
        for prime in (2, 5):
            while rest % prime == 0:
                rest //= prime
        if rest != 1:
            return f"≈ {Decimal(nearest(value * 10**SHOWN_DIGITS)).scaleb(-SHOWN_DIGITS):,f}"
        digits = len(str(value.denominator)) * 4
        value = Decimal(nearest(value * 10**digits)).scaleb(-digits)
    whole, point, part = plain(value).partition(".")
    return f"{int(whole):,}{point}{part}" if whole != "-0" else f"-0{point}{part}"


def _reads(meter: Meter) -> str:
    percentile = "" if meter.percentile is None else plain(meter.percentile)
    text = _READS[meter.aggregation].format(event=meter.event, property=meter.property, percentile=percentile)
    if meter.filters:
        text += " with " + " and ".join(f"{name} {' or '.join(allowed)}" for name, allowed in meter.filters.items())
    return text


def _model(pricing: Pricing) -> str:  # noqa: PLR0911 - one for each model
    match pricing:
        case PerUnit():
            return "per unit: every unit costs the same"
        case Graduated():
            return "graduated: each tier prices the part of the quantity inside it"
        case Volume():
            return "volume: the tier that the quantity falls into prices all of it"
        case Package():
            begun = "counts" if pricing.partial_packages is PartialPackages.UP else "is free"
            return f"package: sold by the package, one that was begun {begun}"
        case Percentage():
            return "percentage: a part of every event's value"
        case GraduatedPercentage():
            return "graduated percentage: each tier takes its part of the sum inside it"
        case Dynamic():
            return "dynamic: the sum is the amount, times a multiplier"
        case _:
            assert_never(pricing)


def _bounds(step: Step) -> str:
    above = f"above {number(step.above)}" if step.above else ""
    up_to = "" if step.up_to is None else f"up to {number(step.up_to)}"
    return f"{above} {up_to}".strip() or "of any quantity"


def _days(length_us: int) -> str:
    days = Fraction(length_us, DAY_US)
    if days.denominator == 1:
        return f"{days.numerator:,} {'day' if days == 1 else 'days'}"
    return f"{exact_text(days)} days"
