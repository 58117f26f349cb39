"""What `beaas doctor` tells people, of findings that a test makes up."""

import pytest

from billing.invariants import DeadLetterFact, LagFact, ReadFact
from connectors.audit.verdicts import Examination
from streams.cli.doctor import show

LONG = (
    "group some.rating on some.journal (an open or unfinished transaction holds readers back at [0/17], [1/4], [2/90])"
)


def told(examination: Examination, capsys: pytest.CaptureFixture[str]) -> list[str]:
    show(examination)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize(("found", "last"), [(0, "Nothing was found."), (1, "1 finding."), (2, "2 findings.")])
def test_the_last_line_counts(found: int, last: str, capsys: pytest.CaptureFixture[str]) -> None:
    examination = Examination()
    examination["I18"].judge(ReadFact("some.usage", 0, at, "malformed", None, False) for at in range(found))
    assert told(examination, capsys)[-1] == last


def test_into_a_pipe_no_cell_is_folded_and_every_sign_is_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    examination = Examination(
        lags=[LagFact(LONG, 3, "records", 9)], letters=[DeadLetterFact("[bold]", "conflict", 2, None)]
    )
    lines = told(examination, capsys)
    assert any(line.startswith(f"{LONG}  3 records  9 s") for line in lines)
    assert any(line.startswith("[bold]") for line in lines)
