"""The auditor's own order of things, where what was due first comes second."""

from datetime import UTC, datetime
from decimal import Decimal

from tests.faults.auditor.recount import begun_of

PLANS = [
    {
        "code": code,
        "billing_period": "P1M",
        "prices": [{"code": f"{code}_base", "type": "recurring", "amount": amount}],
    }
    for code, amount in (("dear", "100.00"), ("cheap", "10.00"))
]
DOCUMENT = {
    "code": "acme",
    "currency": "EUR",
    "timezone": "UTC",
    "tax_percent": "0",
    "test_clock": "2026-01-01T00:00:00Z",
    "meters": [],
    "coupons": [],
    "plans": PLANS,
    "customers": [{"code": "c1"}],
    "subscriptions": [],
}


def day(month: int, number: int) -> datetime:
    return datetime(2026, month, number, tzinfo=UTC)


def test_an_invoice_draws_on_no_credit_that_a_later_moment_gave_though_that_came_first() -> None:
    story = begun_of(DOCUMENT)
    for code, plan, start in (("s1", "dear", day(1, 1)), ("s2", "cheap", day(1, 5))):
        story.subscribe(start, {"subscription": code, "customer": "c1", "plan": plan})
    story.issue("s1", day(2, 1), story.subscriptions["s1"].close(day(2, 1)))
    story.change_plan(day(2, 15), {"subscription": "s1", "plan": "cheap"})
    for code, at in (("s2", day(2, 5)), ("s1", day(3, 1))):
        story.issue(code, at, story.subscriptions[code].close(at))
    drawn = [(one.subscription, one.issued_at, one.credited, one.credit_applied) for one in story.expected]
    nothing = Decimal("0.00")
    assert drawn == [
        ("s1", day(1, 1), nothing, nothing),
        ("s2", day(1, 5), nothing, nothing),
        ("s1", day(2, 1), nothing, nothing),
        ("s1", day(2, 15), Decimal("45.00"), nothing),
        ("s2", day(2, 5), nothing, nothing),
        ("s1", day(3, 1), nothing, Decimal("10.00")),
    ]
