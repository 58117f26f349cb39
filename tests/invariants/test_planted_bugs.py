"""Every invariant is silent on a sound system and sees the mistakes that are planted for it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from billing.invariants import INVARIANTS, Finding
from tests.invariants import carrying, invoicing, metering


class Toy(Protocol):
    """A small system as it should be, or with its mistake."""

    def __call__(self, *, sound: bool) -> Iterator[Finding]:
        """Yields what an invariant finds in it."""


PLANTED: dict[str, tuple[Toy, ...]] = {
    "I01": (metering.dedupe_keyed_without_tenant, metering.float_sum, metering.late_usage_replaces),
    "I02": (metering.commit_before_write, metering.write_that_is_not_repeatable),
    "I03": (invoicing.a_sink_that_takes_doubt_for_failure, invoicing.a_sink_that_skips_a_customer),
    "I04": (invoicing.tax_rounded_by_the_line, invoicing.tax_rounded_half_to_even),
    "I05": (invoicing.postings_without_the_tax, invoicing.a_balance_that_is_kept_beside),
    "I06": (invoicing.outbox_row_outside_the_transaction,),
    "I07": (carrying.id_above_the_cursor, carrying.published_before_the_commit),
    "I08": (carrying.two_relays_that_skip_locked_rows,),
    "I11": (carrying.a_list_that_forgets_the_tenant,),
    "I12": (carrying.a_flush_that_forgets_what_was_evicted, carrying.an_effect_kept_and_its_offset_lost),
    "I13": (metering.offset_committed_before_the_effect,),
    "I14": (metering.a_key_whose_content_nobody_compares, metering.a_retry_that_does_it_again),
    "I15": (invoicing.numbers_from_a_sequence, invoicing.numbers_by_counting),
    "I16": (carrying.an_invoice_corrected_in_place,),
    "I17": (carrying.a_fold_that_asks_what_time_it_is, carrying.lines_in_the_order_of_a_set),
    "I18": (metering.a_dead_letter_without_its_bytes, metering.poison_that_is_skipped),
    "I19": (metering.a_partition_that_poison_blocks,),
    "I20": (metering.a_retry_that_invoices_each_time, metering.an_outage_taken_for_bad_usage),
}
TOYS = [(name, toy) for name, planted in PLANTED.items() for toy in planted]
NAMES = [f"{name}-{toy.__name__}" for name, toy in TOYS]  # type: ignore[attr-defined]  # all are functions


def test_every_invariant_has_a_planted_bug_and_every_bug_an_invariant() -> None:
    assert sorted(PLANTED) == [invariant.id for invariant in INVARIANTS]
    assert all(PLANTED.values())


def test_invariants_have_ids_of_their_own_and_say_them() -> None:
    assert len({invariant.id for invariant in INVARIANTS}) == len(INVARIANTS)
    for invariant in INVARIANTS:
        assert (invariant.judge.__doc__ or "").startswith(f"{invariant.id}: ")


@pytest.mark.parametrize(("invariant", "toy"), TOYS, ids=NAMES)
def test_a_sound_system_is_passed_in_silence(invariant: str, toy: Toy) -> None:
    assert list(toy(sound=True)) == [], invariant


@pytest.mark.parametrize(("invariant", "toy"), TOYS, ids=NAMES)
def test_a_planted_bug_is_seen_by_its_invariant(invariant: str, toy: Toy) -> None:
    assert {finding.invariant for finding in toy(sound=False)} == {invariant}


def test_the_page_of_invariants_has_each_with_its_title() -> None:
    page = (Path(__file__).parents[2] / "docs" / "invariants.md").read_text()
    rows = [tuple(row.split(" | ")[:2]) for row in page.splitlines() if row.startswith("| I")]
    assert rows == [(f"| {invariant.id}", invariant.title) for invariant in INVARIANTS]
