"""What `beaas replay` prints without `--diff`: the status is 1 where something is misplaced, so it says what."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from streams.cli.replay import tell_refolded
from streams.refold.difference import Difference, Kind
from tests.postgres.builders import line, statement

MISPLACED = Difference(Kind.UNEXPECTED, "acme/c1", "beaas.journal/0/4", issued="the account lives in partition 3")
REPLAY: Any = SimpleNamespace(statements=lambda: iter([statement(line(100))]), found=SimpleNamespace(entries=9))


def test_scripts_get_what_is_misplaced_before_the_invoices_each_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    tell_refolded(REPLAY, [MISPLACED], as_json=True)
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert first == {
        "difference": {
            "kind": "unexpected",
            "subject": "acme/c1",
            "where": "beaas.journal/0/4",
            "field": "",
            "refolded": "",
            "issued": "the account lives in partition 3",
        }
    }
    assert second["total"] == "1.00"


def test_people_get_what_is_misplaced_before_the_invoices(capsys: pytest.CaptureFixture[str]) -> None:
    tell_refolded(REPLAY, [MISPLACED], as_json=False)
    told = capsys.readouterr().out.splitlines()
    assert (told[0], told[-1]) == (str(MISPLACED), "1 invoices of 9 entries of the journal; --diff compares them")
