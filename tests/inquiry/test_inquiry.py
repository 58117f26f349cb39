"""An inquiry explains every line of every story by the journal alone."""

from fractions import Fraction

import pytest

from billing.errors import Defect
from billing.inquiry import FeeWhy, UsageWhy
from billing.money import round_to_minor
from billing.statement import LineKind
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


def test_a_fee_whose_window_is_not_known_is_a_defect_and_ends_nobody_elses_iteration() -> None:
    for seed in range(20):
        for one in asked(entries_of(generate(seed, ALL))):
            if one.statement.lines[0].kind is LineKind.UNUSED_FEE:
                one.inquiry._before.windows.clear()
                with pytest.raises(Defect, match="no window of the subscription is what fee"):
                    one.inquiry.explain(())
                return
    raise AssertionError("no story begins a statement with an unused fee")


def test_an_event_that_is_lost_is_found_by_every_line_that_it_stands_behind() -> None:
    found, several = 0, 0
    for seed in range(12):
        entries = entries_of(generate(seed, ALL))
        for whole in asked(entries):
            for lost in {behind[0].position for behind in whole.behind.values()}:
                [without] = [one for one in asked(entries, lost=frozenset({lost})) if one.statement == whole.statement]
                left = {place: [one for one in all_ if one.position != lost] for place, all_ in whole.behind.items()}
                short = {place: kept for place, kept in left.items() if len(kept) < len(whole.behind[place])}
                for place, kept in short.items():
                    assert f"{len(kept)} events stand behind the line" in " ".join(without.lines[place].findings)
                found, several = found + len(short), several + (len(short) > 1)
        if found >= 12 and several:
            return
    raise AssertionError("no story has enough usage lines")
