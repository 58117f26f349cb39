"""A line says which events stand behind it: their digest is that of the very events, whatever happened to them."""

import io
import json
from hashlib import blake2b

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.account.identity import number_of, usage_digest, usage_key
from billing.entry import Usage
from billing.statement import Line
from schemas.files import schema_text
from tests.billing.journal import CUSTOMER, SUM, TENANT, Journal, fee, per_unit, terms, us, usage

BY_REGION = {**SUM, "group_by": ["region"]}
DAYS = st.integers(1, 31)


def digest(*events: Usage) -> bytes:
    """By the rule, without the code that keeps it: what each is, in 24 bytes, summed modulo 2^192."""
    total = sum(int.from_bytes(usage_key(one) + usage_digest(one), "big") for one in events)
    return (total % 2**192).to_bytes(24, "big")


def behind(line: Line) -> tuple[int, bytes]:
    return line.events, line.events_digest


def used(journal: Journal, *events: Usage) -> tuple[Usage, ...]:
    journal.append(*events)
    return events


def some(prefix: str, days: list[int], month: str = "01", **more: str) -> list[Usage]:
    return [usage(f"{prefix}{n}", f"2026-{month}-{day:02}", str(n), **more) for n, day in enumerate(days)]


def newest(journal: Journal) -> dict[tuple[int, int, str], tuple[int, bytes]]:
    """What the last line of each window and price says."""
    return {
        (line.period_start_us, line.period_end_us, line.price): behind(line)
        for statement in journal.statements
        for line in statement.lines
        if line.events_digest
    }


def test_lines_of_usage_name_their_events_and_fees_name_none() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), fee()))
    events = used(journal, *some("e", [5, 6, 7]))
    journal.close("2026-02-01")
    january = [line for line in journal.statements[-1].lines if line.period_start_us == us("2026-01-01")]
    assert [(line.price, behind(line)) for line in january] == [("m", (3, digest(*events)))]
    assert [behind(line) for line in journal.statements[0].lines] == [(0, b"")]


def test_a_group_names_its_own_events() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit(), meters=[BY_REGION]))
    eu, us_ = used(journal, *some("e", [5, 6], region="eu")), used(journal, *some("u", [7], region="us"))
    journal.close("2026-02-01")
    assert [behind(line) for line in journal.statements[-1].lines] == [(2, digest(*eu)), (1, digest(*us_))]


def test_without_events_the_digest_is_of_none() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.close("2026-02-01")
    assert [behind(line) for line in journal.statements[-1].lines] == [(0, bytes(24))]


@given(st.lists(DAYS, max_size=8), st.lists(DAYS, max_size=4), st.integers(2, 28), st.data())
def test_whatever_order_a_change_late_usage_and_voids_the_events_of_a_window_are_those_that_count_there(
    january: list[int], late: list[int], change: int, data: st.DataObject
) -> None:
    journal = Journal(reload=data.draw(st.booleans()))
    journal.start("2026-01-01", terms(per_unit()))
    in_time, after = some("e", january), some("l", late)
    used(journal, *data.draw(st.permutations(in_time)))
    journal.change(f"2026-01-{change:02}", terms(per_unit(amount="2"), plan="q"))
    journal.close("2026-02-01")
    used(journal, *after)
    sent = [*in_time, *after]
    gone = data.draw(st.lists(st.sampled_from(sent), unique_by=lambda one: one.id)) if sent else []
    for one in gone:
        journal.void(one.id)
    journal.close("2026-03-01")
    left = [one for one in [*in_time, *after] if one not in gone]
    for (start_us, end_us, _), said in newest(journal).items():
        before, now = ([one for one in events if start_us <= one.occurred_at_us < end_us] for events in (in_time, left))
        billed = before if quantity(before) == quantity(now) else now  # else there was nothing to adjust
        assert said == (len(billed), digest(*billed))


def quantity(events: list[Usage]) -> int:
    return sum(int(one.properties["n"]) for one in events)


def test_usage_that_waited_for_its_subscription_is_named() -> None:
    journal = Journal()
    waited = used(journal, *some("e", [5, 6]))
    journal.start("2026-01-01", terms(per_unit()))
    journal.close("2026-02-01")
    assert [behind(line) for line in journal.statements[-1].lines] == [(2, digest(*waited))]


def test_an_event_of_other_content_is_another_event() -> None:
    one = usage("a", "2026-01-05", "1")
    assert len({number_of(each) for each in (one, usage("a", "2026-01-05", "2"), usage("b", "2026-01-05", "1"))}) == 3


@pytest.mark.parametrize("text", ["", "a", "x" * 63, "x" * 64, "ü", "日本" * 40, "x" * 9000])
def test_a_name_is_a_hash_of_what_stands_on_the_wire(text: str) -> None:
    """As Avro writes it by its specification, with the properties sorted."""
    one = Usage(TENANT, CUSTOMER, text, "s", text, us("2026-01-05"), {"b": text, "a": "1", text: "2"}, text or None)
    schema = json.loads(schema_text("beaas.usage.UsageRecorded"))
    schema["fields"][5]["type"] = "long"
    parts = [io.BytesIO(), io.BytesIO()]
    values = [one.tenant, one.customer, one.id, one.source, one.type, one.occurred_at_us,
              dict(sorted(one.properties.items())), one.subscription]  # fmt: skip
    for place, (field, value) in enumerate(zip(schema["fields"], values, strict=True)):
        fastavro.schemaless_writer(parts[place > 3], fastavro.parse_schema(field["type"]), value)
    key, content = (part.getvalue() for part in parts)
    assert usage_key(one) == blake2b(key, digest_size=16).digest()
    assert usage_digest(one) == blake2b(content, digest_size=8).digest()
