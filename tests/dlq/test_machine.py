"""What the account machine makes of a letter that comes back: it is billed once, whatever else found it meanwhile."""

import pytest

from billing.statement import Conflict, Duplicate, Refused
from tests.billing.journal import Journal, per_unit, terms


@pytest.mark.parametrize("reload", [False, True])
@pytest.mark.parametrize(
    "order", ["fix redrive", "redrive fix", "redrive fix redrive", "fix redrive redrive", "fix redrive pause"]
)
def test_refused_usage_is_billed_once_whether_the_fix_or_the_redrive_finds_it(order: str, *, reload: bool) -> None:
    journal = Journal(reload=reload)
    journal.start("2026-01-10", terms(per_unit()))
    (refused,) = journal.use("a", "2026-01-05", "7")
    assert isinstance(refused, Refused)
    for step in order.split():
        match step:
            case "fix":  # the account counts by itself what it refused and has a window for now
                journal.start("2026-01-01", terms(per_unit("early")), subscription="s2")
            case "pause":  # and looks at the journal, where the usage stands twice, once more
                journal.pause("2026-01-07", subscription="s2")
            case "redrive":
                journal.use("a", "2026-01-05", "7")
    if "pause" not in order:
        journal.close("2026-02-01", subscription="s2")
    lines = [line for statement in journal.statements for line in statement.lines if line.price == "early"]
    assert [(line.quantity, line.events) for line in lines if line.quantity != "0"] == [("7", 1)]


def test_a_letter_of_a_conflict_would_be_a_conflict_again() -> None:
    journal = Journal()
    journal.start("2026-01-01", terms(per_unit()))
    journal.use("a", "2026-01-05", "7")
    assert journal.use("a", "2026-01-05", "8") == [Conflict(first=1)]
    assert journal.use("a", "2026-01-05", "8") == [Conflict(first=1)]
    assert journal.use("a", "2026-01-05", "7") == [Duplicate(first=1)]
