"""Definitions in an apply file: meters, coupons, plans and their prices, each as written and as billing takes it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import billing.entry
import billing.meter
from billing.coupon import amount_off_minor, parse_coupon
from billing.currency import currency
from billing.errors import InvalidDefinition
from billing.meter import parse_meter
from billing.period import billing_period
from billing.price import CommitmentPrice, Price, UsagePrice
from billing.price_definition import parse_price, require_measurable, require_whole_term
from connectors.catalogue_file import document
from connectors.catalogue_file.document import Node, Scalar, Sequence
from connectors.catalogue_file.model import Anchor, Coupon, CouponCode, Definition, Meter, MeterCode, Plan, PlanCode
from connectors.catalogue_file.section import Section, distinct, reference

LONGEST_DEFINITION_CHARS: Final = 1 << 17  # a price of 1,000 tiers has half as many
LONGEST_COUPON_CHARS: Final = 1 << 14  # with a hundred prices; a subscription may have `MOST_COUPONS`
LONGEST_PLAN_CHARS: Final = 1 << 18
"""Prices with their meters: they travel whole with each command that agrees on them, and stay with each account."""
_FLAGS: Final = frozenset({"across_groups", "carry_over", "flat_when_zero", "taxable"})
"""The fields of definitions that are true or false; everywhere else `true` is a text."""
_Understood = TypeVar("_Understood")


@dataclass(frozen=True, slots=True)
class ReadMeter:
    """A meter as the file says it, and as billing understands it; None where it does not."""

    said: Meter
    understood: billing.meter.Meter | None


@dataclass(frozen=True, slots=True)
class ReadCoupon:
    """As `ReadMeter`."""

    said: Coupon
    understood: billing.entry.Coupon | None


def read_meter(section: Section) -> ReadMeter:
    """Returns a meter."""
    code = section.code()
    written, understood = _definition(section, parse_meter)
    return ReadMeter(Meter(MeterCode(code), written), understood)


def read_coupon(section: Section, money: str) -> ReadCoupon:
    """Returns a coupon; what it takes off has no more digits than the currency `money`, if that is one."""

    def parse(raw: Mapping[str, object], where: str) -> billing.entry.Coupon:
        coupon = parse_coupon(raw, where)
        if money:
            amount_off_minor(coupon, currency(money), where)
        return coupon

    code = section.code()
    written, understood = _definition(section, parse, LONGEST_COUPON_CHARS)
    return ReadCoupon(Coupon(CouponCode(code), written), understood)


def read_plan(section: Section, meters: Mapping[str, ReadMeter]) -> Plan:
    """Returns a plan; its prices are of these meters, and fit them and its period."""
    period = section.text("billing_period", billing_period)
    prices = distinct(
        section, "prices", lambda inner: _price(inner, meters, period), lambda price: price.code, required=True
    )
    used = {price.meter for price in prices.values()}
    size = sum(len(price.definition) for price in prices.values())
    size += sum(len(meter.said.definition) for code, meter in meters.items() if code in used)
    if size > LONGEST_PLAN_CHARS:
        section.wrong("prices", f"has {size} characters with its meters; a plan has at most {LONGEST_PLAN_CHARS}")
    return Plan(
        code=PlanCode(section.code()),
        billing_period=period,
        anchor=section.choice("anchor", Anchor.SUBSCRIPTION),
        prices=tuple(price.definition for price in prices.values()),
        meters=tuple(sorted({MeterCode(price.meter) for price in prices.values() if price.meter})),
    )


@dataclass(frozen=True, slots=True)
class _Price:
    code: str
    meter: str | None
    definition: Definition


def _price(section: Section, meters: Mapping[str, ReadMeter], period: str) -> _Price:
    def parse(raw: Mapping[str, object], where: str) -> Price:
        price = parse_price(raw, where)
        if isinstance(price, UsagePrice):
            measured = meters.get(price.meter)
            if measured is not None and measured.understood is not None:
                require_measurable(price, measured.understood, where)
        elif isinstance(price, CommitmentPrice) and period:
            require_whole_term(price, billing_period(period), where)
        return price

    code, meter = section.code(), section.optional_text("meter")
    if meter is not None:
        reference(section, "meter", meter, meters)
    return _Price(code, meter, _definition(section, parse)[0])


def _raw(section: Section) -> dict[str, object]:
    """Returns a definition's fields as billing reads them: texts, lists, mappings, and flags where a flag stands."""
    fields = section.mapping.fields
    section.asked.update(fields)  # billing knows the fields of its definitions and refuses the others
    return {name: _flag(node) if name in _FLAGS else _plain(node) for name, node in fields.items()}


def _flag(node: Node) -> object:
    if isinstance(node, Scalar) and node.plain and node.text in {"true", "false"}:
        return node.text == "true"
    return _plain(node)


def _plain(node: Node) -> object:
    match node:
        case Scalar():
            return node.text
        case Sequence():
            return [_plain(item) for item in node.items]
        case document.Mapping():
            return {name: _plain(value) for name, value in node.fields.items()}


def _definition(
    section: Section,
    parse: Callable[[Mapping[str, object], str], _Understood],
    longest_chars: int = LONGEST_DEFINITION_CHARS,
) -> tuple[Definition, _Understood | None]:
    """Returns the definition as written, and what it is to billing.

    Where billing refuses it, that is noted at the line that the refusal's path leads to.
    """
    raw, understood = _raw(section), None
    try:
        understood = parse(raw, section.path)
    except InvalidDefinition as refusal:
        inside = refusal.field.removeprefix(section.path).strip(".")
        if not section.has_problem(refusal.field):
            section.problems.add(_line(section.mapping, inside), refusal.field, refusal.problem)
    written = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(written) > longest_chars:
        problem = f"has {len(written)} characters; such a definition has at most {longest_chars}"
        section.problems.add(section.mapping.line, section.path, problem)
    return Definition(written), understood


def _line(node: Node, path: str) -> int:
    """Returns the line of what `path` (such as `tiers[0].up_to`) leads to, or of the last step that exists."""
    line = node.line
    for step in path.replace("[", ".").replace("]", "").split("."):
        if isinstance(node, document.Mapping) and step in node.fields:
            line, node = node.lines[step], node.fields[step]
        elif isinstance(node, Sequence) and step.isdigit() and int(step) < len(node.items):
            node = node.items[int(step)]
            line = node.line
        else:
            break
    return line
