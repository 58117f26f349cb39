"""Prices and their definitions: some to begin with, and any price written back to the one that it is read from."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum

from billing.period import BillingPeriod
from billing.price import CommitmentPrice, OneOffPrice, Price, RecurringPrice, UsagePrice
from billing.price_definition import parse_price
from billing.pricing import (
    Dynamic,
    Graduated,
    GraduatedPercentage,
    Model,
    Package,
    Percentage,
    PerUnit,
    Volume,
)

MODELS: Mapping[type, Model] = {
    PerUnit: Model.PER_UNIT,
    Graduated: Model.GRADUATED,
    Volume: Model.VOLUME,
    Package: Model.PACKAGE,
    Percentage: Model.PERCENTAGE,
    GraduatedPercentage: Model.GRADUATED_PERCENTAGE,
    Dynamic: Model.DYNAMIC,
}


def definition_of(price: Price) -> dict[str, object]:
    """Returns the definition that `parse_price` reads the price from; what has its default is left out."""
    own = _raw_fields(price)
    match price:
        case RecurringPrice():
            return {"type": "recurring", **own}
        case OneOffPrice():
            return {"type": "one_off", **own}
        case CommitmentPrice():
            return {"type": "commitment", **own}
        case _:
            pass
    del own["pricing"]
    return {"type": "usage", "model": str(MODELS[type(price.pricing)]), **own, **_raw_fields(price.pricing)}


def _raw_fields(part: object) -> dict[str, object]:
    """The fields of a dataclass that differ from their defaults, as YAML and JSON can say them."""
    assert is_dataclass(part)
    found = ((field, getattr(part, field.name)) for field in fields(part))
    return {field.name: _raw(value) for field, value in found if field.default is MISSING or value != field.default}


def _raw(value: object) -> object:
    match value:
        case Decimal():
            return format(value, "f")
        case StrEnum() | BillingPeriod():
            return str(value)
        case tuple():
            return [_raw(item) for item in value]
        case _ if is_dataclass(value):
            return _raw_fields(value)
        case _:
            return value


def usage_price(**fields: object) -> UsagePrice:
    """Returns the usage price of these fields."""
    price = parse_price({"code": "p", "type": "usage", "meter": "m", **fields}, "price")
    assert isinstance(price, UsagePrice)
    return price


def without(raw: dict[str, object], field: str) -> dict[str, object]:
    """Returns the definition without one of its fields."""
    return {name: value for name, value in raw.items() if name != field}


FEE: dict[str, object] = {"code": "base", "type": "recurring", "amount": "29.00"}
UNIT: dict[str, object] = {"code": "p", "type": "usage", "meter": "m", "model": "per_unit", "unit_amount": "1"}
TIERS: list[dict[str, object]] = [{"up_to": "10", "unit_amount": "2"}, {"unit_amount": "1", "flat_amount": "3"}]
PERCENTAGE: dict[str, object] = {"model": "percentage", "rate_percent": "2"}
ONE_OFF: dict[str, object] = {"code": "setup", "type": "one_off", "amount": "9.99"}
COMMITMENT: dict[str, object] = {"code": "least", "type": "commitment", "amount": "100", "term": "P1Y"}
GRADUATED = {**without(UNIT, "unit_amount"), "model": "graduated", "tiers": TIERS}
PACKAGE = {**without(UNIT, "unit_amount"), "model": "package", "package_size": "10", "package_amount": "1"}
PERCENT = {**without(UNIT, "unit_amount"), **PERCENTAGE}
PERCENT_TIERS = {**without(UNIT, "unit_amount"), "model": "graduated_percentage"}
DYNAMIC = {**without(UNIT, "unit_amount"), "model": "dynamic"}
