"""Laws of the account machine, on random stories."""

from collections import Counter
from collections.abc import Callable, Iterable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from billing.account import HEAD
from billing.credit import Grant
from billing.entry import Coupon, Terms, Usage
from billing.invoice import draw
from billing.ledger import postings
from tests.billing.journal import Journal, Raw, brief, fee, terms, usage

METERS: list[Raw] = [
    {"code": "count", "event": "x", "aggregation": "count", "group_by": ["region"]},
    {"code": "sum", "event": "x", "aggregation": "sum", "property": "n"},
    {"code": "avg", "event": "x", "aggregation": "avg", "property": "n", "filters": {"region": ["eu"]}},
    {"code": "max", "event": "y", "aggregation": "max", "property": "n", "group_by": ["region"]},
    {"code": "level", "event": "y", "aggregation": "weighted_sum", "property": "n", "carry_over": True},
    {
        "code": "latest",
        "event": "y",
        "aggregation": "latest",
        "property": "n",
        "carry_over": True,
        "group_by": ["region"],
    },
    {"code": "unique", "event": "x", "aggregation": "unique", "property": "n"},
    {"code": "p50", "event": "y", "aggregation": "percentile", "property": "n", "percentile": "50"},
]


Month = list[Usage]


def priced(meter: str, **more: object) -> dict[str, object]:
    return {"code": f"price-{meter}", "type": "usage", "meter": meter, **more}


TIERS = [{"up_to": "5", "unit_amount": "1.333", "flat_amount": "2"}, {"unit_amount": "0.777"}]
SMALL: list[Raw] = [
    fee("small-fee", "33.33"),
    priced("count", model="graduated", tiers=TIERS),
    priced("sum", model="percentage", rate_percent="1.7", free_events="2", per_event_amount="0.105"),
    priced("avg", model="per_unit", unit_amount="0.3333", minimum_amount="1"),
    priced("level", model="per_unit", unit_amount="2"),
    priced("latest", model="volume", tiers=TIERS),
    {**priced("max", model="graduated", tiers=TIERS, across_groups=True), "code": "together"},
    {"code": "setup", "type": "one_off", "amount": "9.99"},
    {"code": "least", "type": "commitment", "amount": "90", "term": "P2M"},
]
LARGE: list[Raw] = [
    priced("max", model="package", package_size="3", package_amount="0.99"),
    fee("large-fee", "77.77", billed="in_arrears", taxable=False),
    priced("unique", model="per_unit", unit_amount="0.5"),
    priced("p50", model="per_unit", unit_amount="0.5", free_units="1"),
    priced("latest", model="per_unit", unit_amount="0.25"),
    priced("level", model="per_unit", unit_amount="1"),
    {**priced("count", model="volume", tiers=TIERS, across_groups=True), "code": "together"},
    {"code": "least", "type": "commitment", "amount": "300"},
]
COUPONS = (
    Coupon(code="tenth", percent_off="12.5"),
    Coupon(code="five", amount_off="5", periods=2),
    Coupon(code="ten", amount_off="10", prices=("price-sum", "together", "large-fee")),
)


def plan(prices: Iterable[Raw]) -> Terms:
    return terms(*prices, meters=METERS, tax_percent="7.7")


days = st.integers(1, 28)
numbers = st.integers(-300, 900).map(lambda n: f"{n / 100:.2f}")
contents = st.tuples(st.sampled_from("xy"), days, st.integers(0, 23), numbers, st.sampled_from(["eu", "us"]))


def events(month: str) -> st.SearchStrategy[list[Usage]]:
    def named(rows: list[tuple[str, int, int, str, str]]) -> list[Usage]:
        return [
            usage(f"{month}-{number}", f"{month}-{day:02}T{hour:02}:00", n, type_=kind, region=region)
            for number, (kind, day, hour, n, region) in enumerate(rows)
        ]

    return st.lists(contents, max_size=12).map(named)


JANUARY, FEBRUARY = events("2026-01"), events("2026-02")
CHANGES = st.tuples(days, st.integers(0, 23)).map(lambda at: f"2026-02-{at[0]:02}T{at[1]:02}:30")


def story(  # noqa: PLR0913 - all but three have defaults
    january: Iterable[Usage],
    february: Iterable[Usage],
    change_at: str,
    *,
    reload: bool = False,
    coupons: Iterable[Coupon] = (),
    edit: Callable[[Journal], object] | None = None,
) -> Journal:
    """Two months with a plan change in the second, all usage in time; `edit` runs before the last close."""
    journal = Journal(reload=reload)
    journal.start("2026-01-01", plan(SMALL), coupons=tuple(coupons))
    journal.append(*january)
    journal.quantity("2026-01-20", "small-fee", "3")
    journal.charge("2026-01-21", "visit", "12.34")
    journal.close("2026-02-01")
    journal.append(*(one for one in february if one.occurred_at_us < us_of(change_at)))
    journal.change(change_at, plan(LARGE))
    journal.append(*(one for one in february if one.occurred_at_us >= us_of(change_at)))
    if edit is not None:
        edit(journal)
    journal.close("2026-03-01")
    journal.cancel("2026-03-10")
    return journal


def us_of(at: str) -> int:
    return usage("", at).occurred_at_us


def lines(journal: Journal) -> list[list[tuple[str, ...]]]:
    return [brief(statement) for statement in journal.statements]


def sums(journal: Journal) -> Counter[tuple[str, ...]]:
    """What was billed of each price, group and window, over all statements: amounts, without what is 0."""
    billed: Counter[tuple[str, ...]] = Counter()
    for statement in journal.statements:
        for _, price, *group, _, amount, start, end in brief(statement):
            billed[(price, *group, start, end)] += int(amount)
    return Counter({key: amount for key, amount in billed.items() if amount})


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.randoms(use_true_random=False))
def test_the_order_of_arrival_in_an_open_period_changes_nothing(
    january: Month, february: Month, change_at: str, random: Random
) -> None:
    one = lines(story(january, february, change_at))
    # The order decides between `latest` values of one instant, so these keep theirs.
    shuffled = sorted(january, key=lambda event: (random.random(), event.id))
    instants = Counter((event.type, event.occurred_at_us) for event in january)
    if max(instants.values(), default=0) <= 1:
        assert lines(story(shuffled, february, change_at)) == one


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_duplicates_change_nothing(january: Month, february: Month, change_at: str, data: st.DataObject) -> None:
    one = lines(story(january, february, change_at))
    again = data.draw(st.lists(st.sampled_from([*january, *february]), max_size=5)) if january or february else []
    twice = story([*january, *january], february, change_at, edit=lambda journal: journal.append(*again))
    assert lines(twice) == one


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_voided_in_time_is_as_never_sent_and_later_it_is_given_back(
    january: Month, february: Month, change_at: str, data: st.DataObject
) -> None:
    voided = data.draw(st.lists(st.sampled_from([*january, *february]), unique_by=id)) if january or february else []
    gone = {event.id for event in voided}
    kept = [[event for event in month if event.id not in gone] for month in (january, february)]
    never = story(kept[0], kept[1], change_at)

    def take_back(journal: Journal) -> None:
        for event in voided:
            journal.void(event.id)

    assert without_fees(sums(story(january, february, change_at, edit=take_back))) == without_fees(sums(never))


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_late_usage_comes_to_what_it_would_have_in_time(
    january: Month, february: Month, change_at: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(january)))
    late = story(january[:cut], february, change_at, edit=lambda journal: journal.append(*january[cut:]))
    assert without_fees(sums(late)) == without_fees(sums(story(january, february, change_at)))


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES)
def test_a_command_takes_effect_at_its_moment_wherever_it_stands(
    january: Month, february: Month, change_at: str
) -> None:
    overtaken = Journal()
    overtaken.start("2026-01-01", plan(SMALL))
    overtaken.append(*january, *february)
    overtaken.quantity("2026-01-20", "small-fee", "3")
    overtaken.charge("2026-01-21", "visit", "12.34")
    overtaken.close("2026-02-01")
    overtaken.change(change_at, plan(LARGE))
    overtaken.close("2026-03-01")
    overtaken.cancel("2026-03-10")
    in_order = sorted(february, key=lambda event: event.occurred_at_us >= us_of(change_at))
    assert lines(overtaken) == lines(story(january, in_order, change_at))


@settings(max_examples=40, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_an_account_restored_after_every_entry_ends_the_same(
    january: Month, february: Month, change_at: str, data: st.DataObject
) -> None:
    voided = data.draw(st.lists(st.sampled_from([*january, *february]), max_size=4)) if january or february else []

    def edit(journal: Journal) -> None:
        for event in voided:
            journal.void(event.id)
        journal.append(*(usage(f"late-{n}", "2026-01-20", str(n), region="eu") for n in range(2)))

    stored = story(january, february, change_at, reload=True, edit=edit)
    kept = story(january, february, change_at, edit=edit)
    kept.write()
    assert stored.outcomes == kept.outcomes
    assert stored.stored == kept.stored
    assert {key[:1] for key in stored.stored} <= {b"", b"f"}


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES)
def test_lines_sum_to_the_subtotal_and_postings_to_zero(january: Month, february: Month, change_at: str) -> None:
    grants = list[Grant]()
    for statement in story(january, february, change_at).statements:
        invoice = draw(statement, grants)
        grants = [invoice.grant] if invoice.grant else []
        assert invoice.subtotal_minor == sum(line.amount_minor for line in statement.lines)
        assert invoice.subtotal_minor + invoice.tax_minor == invoice.total_minor - invoice.credited_minor
        assert sum(posting.amount_minor for posting in postings(invoice)) == 0


def without_fees(billed: Counter[tuple[str, ...]]) -> Counter[tuple[str, ...]]:
    return Counter({key: amount for key, amount in billed.items() if not key[0].endswith("fee")})


def subtotal(journal: Journal) -> int:
    """What all statements come to, after coupons."""
    return sum(line.amount_minor for statement in journal.statements for line in statement.lines)


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_with_coupons_and_commitments_late_usage_comes_to_what_it_would_have_in_time(
    january: Month, february: Month, change_at: str, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(january)))
    late = story(
        january[:cut], february, change_at, coupons=COUPONS, edit=lambda journal: journal.append(*january[cut:])
    )
    assert subtotal(late) == subtotal(story(january, february, change_at, coupons=COUPONS))


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.data())
def test_with_coupons_and_commitments_voided_is_as_never_sent(
    january: Month, february: Month, change_at: str, data: st.DataObject
) -> None:
    voided = data.draw(st.lists(st.sampled_from([*january, *february]), unique_by=id)) if january or february else []
    gone = {event.id for event in voided}
    kept = [[event for event in month if event.id not in gone] for month in (january, february)]

    def take_back(journal: Journal) -> None:
        for event in voided:
            journal.void(event.id)

    taken_back = story(january, february, change_at, coupons=COUPONS, edit=take_back)
    assert subtotal(taken_back) == subtotal(story(kept[0], kept[1], change_at, coupons=COUPONS))


@settings(max_examples=60, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES)
def test_what_coupons_take_off_and_what_is_left_is_what_it_was(january: Month, february: Month, change_at: str) -> None:
    plain, less = story(january, february, change_at), story(january, february, change_at, coupons=COUPONS)
    before = [[line.amount_minor for line in one.lines] for one in plain.statements]
    assert [[line.amount_minor + line.discount_minor for line in one.lines] for one in less.statements] == before


LINEAR = [
    fee("fee", "31.31"),
    fee("arrears-fee", "29.29", billed="in_arrears"),
    priced("sum", model="per_unit", unit_amount="1.0049"),
    priced("count", model="per_unit", unit_amount="0.333"),
]


@settings(max_examples=60, deadline=None)
@given(JANUARY, CHANGES)
def test_a_change_to_the_same_plan_costs_the_same_up_to_the_rounding_of_its_lines(
    january: Month, change_at: str
) -> None:
    change_at = change_at.replace("2026-02", "2026-01")
    # A negative quantity is billed as 0, so a part that is negative would break the line's straightness.
    january = [event for event in january if not event.properties["n"].startswith("-")]
    whole, split = Journal(), Journal()
    for journal in (whole, split):
        journal.start("2026-01-01", plan(LINEAR))
        journal.append(*january)
    split.change(change_at, plan(LINEAR))
    for journal in (whole, split):
        journal.cancel("2026-02-01")
    lines_drawn = sum(len(statement.lines) for journal in (whole, split) for statement in journal.statements)
    assert abs(subtotal(whole) - subtotal(split)) * 2 <= lines_drawn


@settings(max_examples=40, deadline=None)
@given(JANUARY, FEBRUARY, CHANGES, st.integers(1, 60))
def test_a_journal_refolded_from_zero_writes_the_same_bytes(
    january: Month, february: Month, change_at: str, flush_every: int
) -> None:
    first = story(january, february, change_at, coupons=COUPONS)
    again = Journal()
    for place, entry in enumerate(first.entries):
        again.append(entry)
        if place % flush_every == 0:
            again.write()
            again.account = again.restored()
    written: list[dict[bytes, bytes]] = []
    for journal in (first, again):
        journal.write()
        written.append(journal.stored)
    assert again.outcomes == first.outcomes
    assert written[0] == written[1]
    assert written[0][HEAD]
