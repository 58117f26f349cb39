"""Reads an apply file: the shape of `beaas apply`, its references, and every definition by the rules of billing."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from billing.currency import currency
from billing.entry import CustomerId, SubscriptionId, TenantId
from billing.errors import InvalidDefinition
from billing.instant import EPOCH
from billing.meter import parse_meter
from billing.period import BillingPeriod, Unit, billing_period, boundary, zone
from billing.price_definition import parse_price
from connectors.catalogue_file import document
from connectors.catalogue_file.document import LARGEST_SIZE_BYTES, Node, Scalar, Sequence, parse_document
from connectors.catalogue_file.model import (
    Anchor,
    Catalogue,
    Customer,
    Definition,
    Meter,
    MeterCode,
    Plan,
    PlanCode,
    Subscription,
    Tenant,
)
from connectors.catalogue_file.problems import Problems
from connectors.catalogue_file.section import Section

MOST_PERIODS: Final = 10_000
LONGEST_TRIAL_DAYS: Final = 3_650
LONGEST_DEFINITION_CHARS: Final = 1 << 17  # a price of 1,000 tiers has half as many
LONGEST_PLAN_CHARS: Final = 1 << 18
"""Prices with their meters: they travel whole with each command that agrees on them, and stay with each account."""
_FLAGS: Final = frozenset({"carry_over", "flat_when_zero", "taxable"})
"""The fields of meters and prices that are true or false; everywhere else `true` is a text."""
_Item = TypeVar("_Item")


def read_catalogue(path: Path) -> Catalogue:
    """Returns what the file says.

    Raises:
        BadFile: it can't be read, or something in it is wrong; nothing of such a file is to be applied.
    """
    problems = Problems(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_SIZE_BYTES + 1)
    except OSError as error:
        raise problems.fatal(1, f"can't be read: {error.strerror}") from None
    return parse_catalogue(content, str(path))


def parse_catalogue(content: bytes, file: str) -> Catalogue:
    """Returns what the content of `file` says; `file` is only its name in the errors.

    Raises:
        BadFile: see `read_catalogue`.
    """
    problems = Problems(file)
    section = Section.of(parse_document(_text(content, problems), problems), "", problems)
    tenants = _distinct(section, "tenants", _tenant, lambda tenant: tenant.code, required=True)
    section.close()
    if problems.found:
        raise problems.refusal()
    return Catalogue(tuple(tenants.values()))


def _text(content: bytes, problems: Problems) -> str:
    if len(content) > LARGEST_SIZE_BYTES:
        raise problems.fatal(1, f"has more than {LARGEST_SIZE_BYTES} bytes; apply it in several files")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise problems.fatal(1 + content.count(b"\n", 0, error.start), "is no UTF-8 text") from None


def _distinct(
    section: Section,
    name: str,
    read: Callable[[Section], _Item],
    code: Callable[[_Item], str],
    *,
    required: bool = False,
) -> dict[str, _Item]:
    """Returns the items of a list by their codes; a code that stands twice is a problem."""
    found: dict[str, _Item] = {}
    lines: dict[str, int] = {}
    for node, path in section.items(name, required=required):
        inner = Section.of(node, path, section.problems)
        item = read(inner)
        inner.close()
        if code(item) in found:
            inner.wrong("code", f"{code(item)!r} stands twice, first in line {lines[code(item)]}; codes are unique")
        elif code(item):
            found[code(item)], lines[code(item)] = item, inner.line("code")
    return found


def _tenant(section: Section) -> Tenant:
    code = TenantId(section.code())
    timezone = section.text("timezone", zone)
    meters = _distinct(section, "meters", _meter, lambda meter: meter.code)
    plans = _distinct(section, "plans", lambda inner: _plan(inner, meters), lambda plan: plan.code)
    customers = _distinct(section, "customers", _customer, lambda customer: customer.code)
    known = _Known(timezone, plans, customers)
    subscriptions = _distinct(section, "subscriptions", known.subscription, lambda subscription: subscription.code)
    return Tenant(
        code=code,
        currency=section.text("currency", currency),
        timezone=timezone,
        tax_percent=section.percent("tax_percent"),
        test_clock=section.instant("test_clock"),
        meters=tuple(meters.values()),
        plans=tuple(plans.values()),
        customers=tuple(customers.values()),
        subscriptions=tuple(subscriptions.values()),
    )


def _customer(section: Section) -> Customer:
    code = section.code()
    return Customer(CustomerId(code), section.name("name", default=code))


def _meter(section: Section) -> Meter:
    return Meter(MeterCode(section.code()), _definition(section, parse_meter))


def _plan(section: Section, meters: Mapping[str, Meter]) -> Plan:
    prices = _distinct(section, "prices", lambda inner: _price(inner, meters), lambda price: price.code, required=True)
    used = {price.meter for price in prices.values()}
    size = sum(len(price.definition) for price in prices.values())
    size += sum(len(meter.definition) for code, meter in meters.items() if code in used)
    if size > LONGEST_PLAN_CHARS:
        section.wrong("prices", f"has {size} characters with its meters; a plan has at most {LONGEST_PLAN_CHARS}")
    return Plan(
        code=PlanCode(section.code()),
        billing_period=section.text("billing_period", billing_period),
        anchor=section.choice("anchor", Anchor.SUBSCRIPTION),
        prices=tuple(price.definition for price in prices.values()),
        meters=tuple(sorted({MeterCode(price.meter) for price in prices.values() if price.meter})),
    )


@dataclass(frozen=True, slots=True)
class _Price:
    code: str
    meter: str | None
    definition: Definition


def _price(section: Section, meters: Iterable[str]) -> _Price:
    code, meter = section.code(), section.optional_text("meter")
    if meter is not None:
        _reference(section, "meter", meter, meters)
    return _Price(code, meter, _definition(section, parse_price))


def _reference(section: Section, name: str, code: str, known: Iterable[str]) -> str:
    """Returns the code if it is known; else that is a problem, and '' stands in."""
    if code in known:
        return code
    listed = ", ".join(sorted(known)[:10]) or "none"
    section.wrong(name, f"{code[:80]!r} is no {name} of this tenant in this file; there are {listed}")
    return ""


@dataclass(frozen=True, slots=True)
class _Known:
    """What a tenant's subscriptions may refer to."""

    timezone: str
    plans: Mapping[str, Plan]
    customers: Mapping[str, Customer]

    def subscription(self, section: Section) -> Subscription:
        """Returns the subscription, its references looked up."""
        customer = section.optional_text("customer", required=True) or ""
        plan = self.plan(section)
        start = section.instant("start", required=True) or EPOCH
        return Subscription(
            code=SubscriptionId(section.code()),
            customer=CustomerId(customer and _reference(section, "customer", customer, self.customers)),
            plan=plan.code if plan else PlanCode(""),
            start=start,
            anchor=section.choice("anchor", plan.anchor if plan else Anchor.SUBSCRIPTION),
            periods=self.periods(section, plan, start),
            trial_end=self.trial_end(section, start),
        )

    def plan(self, section: Section) -> Plan | None:
        code = section.optional_text("plan", required=True)
        return None if code is None else self.plans.get(_reference(section, "plan", code, self.plans))

    def periods(self, section: Section, plan: Plan | None, start: datetime) -> int | None:
        """Every end that can be asked for has to be an instant."""
        count = section.count("periods", MOST_PERIODS)
        if count and plan and plan.billing_period and self.timezone:
            try:
                boundary(start, billing_period(plan.billing_period), zone(self.timezone), count + 1)
            except InvalidDefinition as refusal:
                section.wrong("periods", refusal.problem)
        return count

    def trial_end(self, section: Section, start: datetime) -> datetime | None:
        """Days of a trial are days of the wall clock, so they end at the hour they began, whatever the clocks do."""
        end, days = section.instant("trial_end"), section.count("trial_days", LONGEST_TRIAL_DAYS)
        if end and days:
            section.wrong("trial_days", "stands beside trial_end; one of them is allowed")
        if end and end <= start:
            section.wrong("trial_end", "is not after start")
        if days and self.timezone:
            return boundary(start, BillingPeriod(days, Unit.DAY), zone(self.timezone), 1)
        return end


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


def _definition(section: Section, parse: Callable[[Mapping[str, object], str], object]) -> Definition:
    """Returns the definition if billing takes it; its refusal is noted at the line that the refusal's path leads to."""
    raw = _raw(section)
    try:
        parse(raw, section.path)
    except InvalidDefinition as refusal:
        inside = refusal.field.removeprefix(section.path).strip(".")
        if not section.has_problem(refusal.field):
            section.problems.add(_line(section.mapping, inside), refusal.field, refusal.problem)
    written = json.dumps(raw, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    if len(written) > LONGEST_DEFINITION_CHARS:
        problem = f"has {len(written)} characters; a definition has at most {LONGEST_DEFINITION_CHARS}"
        section.problems.add(section.mapping.line, section.path, problem)
    return Definition(written)


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
