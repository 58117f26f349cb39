"""Prices written back to the definitions that they are read from."""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import StrEnum

from billing.period import BillingPeriod
from billing.price import CommitmentPrice, OneOffPrice, Price, RecurringPrice
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
