"""What is agreed: terms with their definitions, and coupons."""

import json
from typing import NoReturn, TypeAlias

from billing import entry as domain
from schemas import records
from schemas.errors import UndecodableRecord, Unencodable

Definitions: TypeAlias = tuple[dict[str, object], ...]
"""Meters or prices as the catalogue wrote them."""


def terms_to_domain(record: records.Terms) -> domain.Terms:
    """Returns terms with their definitions parsed."""
    return domain.Terms(
        plan=record.plan,
        plan_version=record.plan_version,
        billing_period=record.billing_period,
        currency=record.currency,
        timezone=record.timezone,
        tax_percent=record.tax_percent,
        meters=definitions(record.meters, "terms.meters"),
        prices=definitions(record.prices, "terms.prices"),
        former_zones=tuple(domain.FormerZone(zone.timezone, zone.until) for zone in record.former_zones),
    )


def terms_from_domain(terms: domain.Terms) -> records.Terms:
    """Returns the record that writes terms."""
    return records.Terms(
        plan=terms.plan,
        plan_version=terms.plan_version,
        billing_period=terms.billing_period,
        currency=terms.currency,
        timezone=terms.timezone,
        tax_percent=terms.tax_percent,
        meters=definitions_text(terms.meters),
        prices=definitions_text(terms.prices),
        former_zones=tuple(records.FormerZone(timezone=zone.timezone, until=zone.until) for zone in terms.former_zones),
    )


def definitions(text: str, field: str) -> Definitions:
    """Returns the objects of a JSON array; a number with a fraction becomes the string that it is written as.

    Raises:
        UndecodableRecord: `malformed`: it is no JSON array of objects, or a number in it is no decimal.
    """
    try:
        parsed = json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UndecodableRecord("malformed", f"{field} is no JSON: {error!s:.200}") from None
    if not isinstance(parsed, list) or not all(isinstance(item, dict) for item in parsed):
        raise UndecodableRecord("malformed", f"{field} is no JSON array of objects")
    return tuple(parsed)


def definitions_text(definitions: Definitions) -> str:
    """Returns the JSON array of definitions.

    Raises:
        Unencodable: one holds a float or what JSON has no word for; decimals are written as strings.
    """
    for definition in definitions:
        _refuse_floats(definition)
    try:
        return json.dumps(definitions, ensure_ascii=False, separators=(",", ":"))
    except TypeError as error:
        raise Unencodable(f"a definition can't be written as JSON: {error}") from error


def coupon_to_domain(record: records.Coupon) -> domain.Coupon:
    """Returns the coupon that a record is."""
    return domain.Coupon(
        code=record.code,
        percent_off=record.percent_off,
        amount_off=record.amount_off,
        periods=record.periods,
        prices=record.prices,
    )


def coupon_from_domain(coupon: domain.Coupon) -> records.Coupon:
    """Returns the record that writes a coupon."""
    return records.Coupon(
        code=coupon.code,
        percent_off=coupon.percent_off,
        amount_off=coupon.amount_off,
        periods=coupon.periods,
        prices=coupon.prices,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no decimal")


def _refuse_floats(value: object) -> None:
    match value:
        case float():
            raise Unencodable(f"a definition holds the float {value!r}; write decimals as strings")
        case dict():
            for item in value.values():
                _refuse_floats(item)
        case list() | tuple():
            for item in value:
                _refuse_floats(item)
        case _:
            return
