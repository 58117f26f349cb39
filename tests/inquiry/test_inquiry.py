"""An inquiry explains every line of every story by the journal alone."""

from fractions import Fraction

import pytest

from billing.inquiry import FeeWhy, UsageWhy
from billing.money import round_to_minor
from tests.inquiry.stories import Asked, asked, entries_of
from tests.oracle.features import ALL
from tests.oracle.product import seeds
from tests.oracle.random_stories import generate


def check(one: Asked) -> None:
    """What is told of each line holds together, and is what the line says."""
    for told in one.lines:
        line, why = told.line, told.why
        assert told.findings == (), (line, why)
        assert told.owed_minor - sum(taken.off_minor for taken in told.taken) == line.amount_minor
        if isinstance(why, UsageWhy):
            assert sum((Fraction(step.amount) for step in why.steps), Fraction(0)) == Fraction(why.exact)
            assert len(one.behind.get(told.place, [])) == line.events
            if why.together is None:
                assert round_to_minor(why.exact, told.currency) == why.amount_minor
            else:
                assert sum(share.amount_minor for share in why.together.shares) == why.together.amount_minor
        if isinstance(why, FeeWhy):
            shares = [Fraction(part.served.length_us, part.full.length_us) for part in why.served]
            assert sum(shares, Fraction(0)) == why.periods
            assert round_to_minor(why.exact, told.currency) == told.owed_minor


@pytest.mark.parametrize("chunk", seeds(80, chunks=4), ids=str)
def test_every_line_of_random_stories_is_what_its_events_and_its_price_make(chunk: range) -> None:
    lines = 0
    for seed in chunk:
        for one in asked(entries_of(generate(seed, ALL))):
            check(one)
            lines += len(one.lines)
    assert lines > 100


def test_an_event_that_is_lost_is_found_by_every_line_that_it_stands_behind() -> None:
    found = 0
    for seed in range(12):
        entries = entries_of(generate(seed, ALL))
        for whole in asked(entries):
            for place, behind in whole.behind.items():
                lost = frozenset({behind[0].position})
                [without] = [one for one in asked(entries, lost=lost) if one.statement == whole.statement]
                assert f"{len(behind) - 1} events stand behind the line" in " ".join(without.lines[place].findings)
                found += 1
                break
            if found >= 12:
                return
    raise AssertionError("no story has enough usage lines")
