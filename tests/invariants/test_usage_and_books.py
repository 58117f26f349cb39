"""What I01 to I06 and I15 say, to the word where it counts, and what they let pass."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.credit import Grant
from billing.invariants import (
    NOTHING,
    BalanceFact,
    CellFact,
    EntryFact,
    EventFact,
    InvoiceFact,
    IssueFact,
    Measure,
    NumberFact,
    PeriodFact,
    PostingFact,
    SeriesFact,
    every_event_has_one_fate,
    invoice_ledger_and_outbox_agree,
    invoices_add_up,
    ledger_balances,
    numbers_are_gapless,
    one_invoice_per_period,
    usage_is_conserved,
)
from billing.invoice import draw
from billing.ledger import postings
from tests.invariants.invoicing import fact_of, statement
from tests.invariants.telling import told

# I01 ------------------------------------------------------------------------------------------------------------------

TEN = Measure(Decimal("10.0"), 2, b"\x01" * 24)


def cell(accepted: Measure | None, metered: Measure | None, invoiced: Measure | None, group: str = "") -> CellFact:
    return CellFact("acme", "s1", "calls", group, "2026-01-01", accepted, metered, invoiced)


def test_a_cell_whose_sides_agree_or_were_not_asked_is_sound() -> None:
    alone = [cell(TEN, None, None), cell(None, TEN, None), cell(None, None, None), cell(None, NOTHING, NOTHING)]
    assert (
        told(usage_is_conserved([cell(TEN, TEN, TEN), cell(TEN, Measure(Decimal(10), None, None), TEN), *alone])) == []
    )


def test_each_pair_of_sides_that_differ_is_told_with_both_values() -> None:
    nine = Measure(Decimal(9), 3, b"\x02" * 24)
    assert told(usage_is_conserved([cell(TEN, nine, None, "eu"), cell(None, TEN, NOTHING), cell(TEN, None, nine)])) == [
        (
            "acme",
            "s1 calls eu from 2026-01-01",
            f"accepted and metered differ: quantity 10.0 and 9, events 2 and 3, digest {'01' * 24} and {'02' * 24}",
        ),
        (
            "acme",
            "s1 calls from 2026-01-01",
            f"metered and invoiced differ: quantity 10.0 and 0, events 2 and 0, digest {'01' * 24} and {'00' * 24}",
        ),
        (
            "acme",
            "s1 calls from 2026-01-01",
            f"accepted and invoiced differ: quantity 10.0 and 9, events 2 and 3, digest {'01' * 24} and {'02' * 24}",
        ),
    ]


# I02 ------------------------------------------------------------------------------------------------------------------


@given(st.integers(1, 9), st.integers(0, 9), st.booleans(), st.data())
def test_what_was_sent_once_or_often_and_counted_once_is_sound(
    acknowledged: int,
    uncertain: int,
    late: bool,  # noqa: FBT001 - hypothesis gives it
    data: st.DataObject,
) -> None:
    came = data.draw(st.integers(acknowledged, acknowledged + uncertain))
    fact = EventFact("acme", "e", acknowledged, uncertain, int(not late), int(late), came - 1, 0)
    assert told(every_event_has_one_fate([fact, fact._replace(dead=1, duplicate=came - 2) if came > 1 else fact])) == []


@pytest.mark.parametrize(
    ("fact", "detail"),
    [
        (EventFact("acme", "e", 3, 0, 1, 0, 1, 0), "lost: 3 were acknowledged and 2 came out"),
        (EventFact("acme", "e", 1, 1, 1, 0, 2, 0), "unexpected: 2 were sent at most and 3 came out"),
        (EventFact("acme", "e", 2, 0, 1, 1, 0, 0), "counted 2 times, and it is 1 of them"),
        (EventFact("acme", "e", 9, 0, 4, 2, 3, 0, distinct=5), "counted 6 times, and it is 5 of them"),
        (EventFact("acme", "e", 1, 0, 0, 0, 1, 0), "1 are called duplicates of an event that was never counted"),
    ],
)
def test_a_lost_an_unexpected_and_a_twice_counted_event_are_told(fact: EventFact, detail: str) -> None:
    fates = f"(accepted {fact.accepted}, late {fact.late}, duplicate {fact.duplicate}, dead {fact.dead})"
    assert told(every_event_has_one_fate([fact])) == [("acme", "e", f"{detail} {fates}")]


def test_a_duplicate_of_an_event_that_was_counted_or_died_is_sound() -> None:
    facts = [EventFact("acme", "e", 2, 0, 0, 0, 1, 1), EventFact("acme", "e", 2, 0, 0, 1, 1, 0)]
    facts.append(EventFact("acme", "e", 0, 1, 0, 0, 0, 0))  # nobody heard, and it never came
    assert told(every_event_has_one_fate([*facts, EventFact("acme", "all", 9, 0, 5, 0, 4, 0, distinct=9)])) == []


# I03 ------------------------------------------------------------------------------------------------------------------


def close(owed: bool | None, *invoices: str, kind: str = "CycleClosed") -> PeriodFact:  # noqa: FBT001 - a value
    return PeriodFact("acme", "s1", "2026-02-01", kind, owed, invoices)


def test_a_close_with_the_one_invoice_that_it_owes_is_sound() -> None:
    for facts in (
        [close(True, "A")],
        [close(False)],
        [close(None)],
        [close(None, "A")],
        [close(None, "A"), close(True)],
    ):
        assert told(one_invoice_per_period(facts)) == []
    assert told(one_invoice_per_period([close(True, "A"), close(True, "B", kind="PlanChanged x")])) == []


def test_a_close_with_two_invoices_with_none_or_with_one_too_many_is_told() -> None:
    subject = "s1 until 2026-02-01, CycleClosed"
    missing, extra = (
        "something is owed and there is no invoice: is the sink running?",
        "nothing is owed and there is an",
    )
    assert told(one_invoice_per_period([close(None, "A"), close(None, "B")])) == [
        ("acme", subject, "2 invoices in place of one: A, B")
    ]
    assert told(one_invoice_per_period([close(None), close(True)])) == [("acme", subject, missing)]
    assert told(one_invoice_per_period([close(False, "A"), close(None)])) == [("acme", subject, f"{extra} invoice: A")]
    assert told(one_invoice_per_period([close(True), close(False)])) == [("acme", subject, missing)]


def test_an_invoice_that_no_statement_stands_behind_is_told_whatever_else_is_found() -> None:
    subject = "s1 until 2026-02-01, CycleClosed"
    forged = close(None, "B")._replace(unstated=True)
    assert told(one_invoice_per_period([forged])) == [("acme", subject, "no statement stands behind B")]
    assert told(one_invoice_per_period([close(None, "A"), forged, close(True)])) == [
        ("acme", subject, "no statement stands behind B"),
        ("acme", subject, "2 invoices in place of one: A, B"),
    ]


# I04 ------------------------------------------------------------------------------------------------------------------

AMOUNTS = st.lists(st.integers(-(10**30), 10**30), min_size=1, max_size=5)


@given(AMOUNTS, st.decimals(0, 100, places=4), st.lists(st.integers(0, 10**30), max_size=3))
def test_every_invoice_that_is_drawn_adds_up_and_its_ledger_balances(
    amounts: list[int], percent: Decimal, granted: list[int]
) -> None:
    grants = [Grant(f"g{place}", left) for place, left in enumerate(granted)]
    drawn = draw(statement(*amounts, tax_percent=f"{percent:f}"), grants)
    assert told(invoices_add_up([fact_of(drawn)])) == []
    sides = [PostingFact("acme", "t", "USD", side.account, side.amount_minor) for side in postings(drawn)]
    due = BalanceFact("acme", "USD", "accounts_receivable", drawn.amount_due_minor)
    assert told(ledger_balances(sides, [due])) == []


SOUND = InvoiceFact("acme", "INV-1", ("USD",), 2, 100, 50, Decimal("7.0"), 100, 4, 104, 0, 4, 4, 100)
BELOW = "of total {} and credited {} one is 0 and none is negative"


@pytest.mark.parametrize(
    ("changed", "details"),
    [
        ({}, []),
        ({"lines": 0}, ["it has no lines"]),
        ({"currencies": ("EUR", "USD")}, ["an invoice has one currency, this has EUR, USD"]),
        ({"currencies": ()}, ["an invoice has one currency, this has none"]),
        ({"tax_minor": 4.0}, ["tax_minor: not an integer number of minor units"]),
        ({"lines_minor": 101}, ["its lines sum to 101 and its subtotal is 100"]),
        ({"taxable_minor": 64}, []),
        ({"taxable_minor": 65}, ["5 tax is owed on its taxed lines and its tax is 4"]),
        ({"taxable_minor": -50}, ["-4 tax is owed on its taxed lines and its tax is 4"]),
        ({"burned_minor": 3}, ["grants paid 3 and the invoice says 4"]),
        ({"amount_due_minor": 99}, ["credit and amount due are 103 and the total is 104"]),
        ({"total_minor": 105, "amount_due_minor": 101}, ["subtotal and tax are 104 and total less credited is 105"]),
        ({"total_minor": 105, "amount_due_minor": 101, "credited_minor": 1}, [BELOW.format(105, 1)]),
        (
            {"burned_minor": -1, "credit_applied_minor": -1, "amount_due_minor": 105},
            ["credit -1 and amount due 105: none is negative"],
        ),
        (
            {"burned_minor": 105, "credit_applied_minor": 105, "amount_due_minor": -1},
            ["credit 105 and amount due -1: none is negative"],
        ),
    ],
)
def test_an_invoice_is_told_for_what_does_not_add_up_and_only_that(
    changed: dict[str, object], details: list[str]
) -> None:
    fact = SOUND._replace(**changed)  # type: ignore[arg-type]  # a float among them is the point
    assert [found.detail.partition(". ")[0] for found in invoices_add_up([fact])] == details
    assert all((found.tenant, found.subject) == ("acme", "INV-1") for found in invoices_add_up([fact]))


def test_half_a_minor_unit_of_tax_goes_away_from_zero() -> None:
    up = InvoiceFact("acme", "INV-1", ("USD",), 1, 5, 5, Decimal(10), 5, 1, 6, 0, 0, 0, 6)
    down = InvoiceFact("acme", "INV-2", ("USD",), 1, -5, -5, Decimal(10), -5, -1, 0, 6, 0, 0, 0)
    whole = InvoiceFact("acme", "INV-3", ("USD",), 1, -1, -1, Decimal(100), -1, -1, 0, 2, 0, 0, 0)
    assert told(invoices_add_up([up, down, whole])) == []


# I05 ------------------------------------------------------------------------------------------------------------------


def posting(transaction: str, amount: int, currency: str = "USD", account: str = "a") -> PostingFact:
    return PostingFact("acme", transaction, currency, account, amount)


def test_a_transaction_that_does_not_balance_in_a_currency_is_told() -> None:
    assert told(ledger_balances([posting("t", 5), posting("t", -5), posting("u", 5), posting("u", -5)])) == []
    crossed = [posting("t", 5), posting("t", -5, "EUR"), posting("u", -5), posting("u", 5, "EUR")]
    assert told(ledger_balances(crossed)) == [
        ("acme", f"transaction {transaction}", f"its postings in {currency} sum to {left} and not to 0")
        for transaction, currency, left in (("t", "USD", 5), ("t", "EUR", -5), ("u", "USD", -5), ("u", "EUR", 5))
    ]


def test_a_balance_that_is_not_the_fold_of_its_postings_is_told() -> None:
    sides = [posting("t", 5), posting("t", -5, account="b"), posting("u", 2), posting("u", -2, account="b")]
    balances = [
        BalanceFact("acme", "USD", "a", 7),
        BalanceFact("acme", "USD", "b", -6),
        BalanceFact("bolt", "USD", "a", 0),
    ]
    assert told(ledger_balances(sides, balances)) == [
        ("acme", "account b", "its postings come to -7 USD (minor units) and its balance is said to be -6")
    ]


def test_a_balance_that_was_summed_elsewhere_is_compared_with_that_sum() -> None:
    balances = [BalanceFact("acme", "USD", "a", -6, -6), BalanceFact("acme", "EUR", "a", 0, -6)]
    assert told(ledger_balances([posting("t", 1), posting("t", -1)], balances)) == [
        ("acme", "account a", "its postings come to -6 EUR (minor units) and its balance is said to be 0")
    ]


def test_a_transaction_without_postings_and_postings_without_a_transaction_are_told() -> None:
    entries = [EntryFact("acme", "t", 1, 2), EntryFact("acme", "u", 1, 0), EntryFact("acme", "v", 0, 2)]
    assert told(ledger_balances([], [], entries)) == [
        (
            "acme",
            f"transaction {name}",
            f"{there} transactions with {postings} postings in place of 1 with its postings",
        )
        for name, there, postings in (("u", 1, 0), ("v", 0, 2))
    ]


# I06 ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "wrong"),
    [
        (IssueFact("acme", "A", 1, True, 1, 1, 1), None),
        (IssueFact("acme", "A", 1, False, 0, 1, 0), None),
        (IssueFact("acme", "A", 1, True, 1, None, None), None),
        (IssueFact("acme", "A", 1, True, 0, 1, 1), "0 ledger transactions in place of 1"),
        (IssueFact("acme", "A", 1, False, 1, 1, 0), "1 ledger transactions in place of 0"),
        (
            IssueFact("acme", "A", 1, True, 1, 0, 2),
            "0 events that it is final in place of 1, 2 events of its transaction in place of 1",
        ),
        (
            IssueFact("acme", "A", 0, True, 0, 1, None),
            "0 invoices in place of 1, 1 events that it is final in place of 0",
        ),
        (IssueFact("acme", "A", 2, True, 1, 1, 1), "2 invoices in place of 1"),
        (
            IssueFact("acme", "A", 0, True, 0, None, None, stray_lines=3),
            "0 invoices in place of 1, 3 lines in place of 0",
        ),
    ],
)
def test_an_invoice_without_all_that_belongs_to_it_is_told(fact: IssueFact, wrong: str | None) -> None:
    assert told(invoice_ledger_and_outbox_agree([fact])) == ([] if wrong is None else [("acme", "A", wrong)])


# I15 ------------------------------------------------------------------------------------------------------------------


def number(position: int, tenant: str = "acme", series: str = "") -> NumberFact:
    return NumberFact(tenant, series, position, f"INV-{position}")


@given(st.lists(st.sampled_from([("acme", ""), ("acme", "credit"), ("bolt", "")])))
def test_series_that_rise_by_one_are_sound_however_they_are_mixed(taken: list[tuple[str, str]]) -> None:
    numbers = [number(taken[: place + 1].count(one), *one) for place, one in enumerate(taken)]
    ends = [SeriesFact(*one, taken.count(one)) for one in set(taken)]
    assert told(numbers_are_gapless(numbers, ends)) == []


def test_a_gap_a_repeat_and_a_lost_end_are_told_once_each() -> None:
    numbers = [number(1), number(3), number(3), number(2), number(4), number(1, "bolt")]
    ends = [SeriesFact("acme", "", 5), SeriesFact("coil", "credit", 1), SeriesFact("bolt", "", 1)]
    assert told(numbers_are_gapless(numbers, ends)) == [
        ("acme", "INV-3", "number 3 follows 1: it leaves a gap"),
        ("acme", "INV-3", "number 3 follows 3: it stands twice or out of order"),
        ("acme", "INV-2", "number 2 follows 3: it stands twice or out of order"),
        ("acme", "series", "the series stands at 5 and its last invoice is 4"),
        ("coil", "series credit", "the series stands at 1 and its last invoice is 0"),
    ]
