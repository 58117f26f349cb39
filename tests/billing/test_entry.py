"""What an entry or a line says where it is silent: what was written before a field was there is read so."""

import msgspec

from billing.entry import ChargeAdded, Coupon, SubscriptionStarted, Terms
from billing.statement import Line, LineKind, Statement

COMMAND = {"command_id": "x", "tenant": "t", "customer": "c", "subscription": "s", "at_us": 5}
TERMS = {
    "plan": "p",
    "plan_version": 1,
    "billing_period": "P1M",
    "currency": "USD",
    "timezone": "UTC",
    "tax_percent": "0",
    "meters": (),
    "prices": (),
}
LINE = {
    "kind": "fee",
    "price": "p",
    "group": {},
    "quantity": "1",
    "amount_minor": 5,
    "period_start_us": 0,
    "period_end_us": 1,
    "taxable": True,
    "events": 0,
}


def left_out(kind: type[msgspec.Struct], raw: dict[str, object]) -> dict[str, object]:
    """The fields that `raw` does not give, as the entry has them."""
    return {
        name: found for name, found in msgspec.structs.asdict(msgspec.convert(raw, kind)).items() if name not in raw
    }


def test_a_command_that_leaves_fields_out_says_the_ordinary() -> None:
    assert left_out(ChargeAdded, {**COMMAND, "code": "setup", "amount": "9"}) == {
        "correlation_id": "",
        "quantity": "1",
        "taxable": True,
        "at_once": False,
    }
    assert left_out(SubscriptionStarted, {**COMMAND, "anchor_us": 5, "terms": TERMS}) == {
        "correlation_id": "",
        "trial_end_us": None,
        "coupons": (),
    }
    assert left_out(Terms, TERMS) == {"former_zones": ()}
    assert left_out(Coupon, {"code": "c"}) == {"percent_off": None, "amount_off": None, "periods": None, "prices": ()}


def test_a_line_that_leaves_fields_out_was_not_discounted_and_names_no_events() -> None:
    assert left_out(Line, LINE) == {"events_digest": b"", "discount_minor": 0}
    assert [msgspec.convert({**LINE, "kind": kind}, Line).adjustment for kind in ("adjustment", "fee")] == [True, False]


def test_a_statement_that_leaves_the_tz_database_out_names_none() -> None:
    names = ("statement_id", "tenant", "customer", "subscription", "plan", "currency", "timezone", "tax_percent")
    numbers = ("plan_version", "issued_at_us", "position")
    raw: dict[str, object] = {
        **dict.fromkeys((*names, "command_id", "correlation_id"), "x"),
        **dict.fromkeys(numbers, 1),
    }
    assert left_out(Statement, {**raw, "lines": ()}) == {"tzdata": "", "refusal": ""}


def test_kinds_of_lines_stand_in_the_order_of_an_invoice_under_their_names() -> None:
    assert [str(kind) for kind in LineKind] == ["adjustment", "unused_fee", "usage", "true_up", "fee", "charge"]
