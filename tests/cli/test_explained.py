"""A line is told as far as it is there: on the invoice, by the journal, or on one of them only."""

from types import SimpleNamespace
from typing import Any

import pytest

from connectors.postgres.issued import FieldDifference
from streams.cli.explain import lines_of
from streams.cli.explained import Told
from tests.postgres.builders import line, statement


def told(*differences: FieldDifference) -> Told:
    """An invoice, by whose journal it has no line that could be explained."""
    drawn = statement(line(100))
    row = SimpleNamespace(
        number="INV-000002", tenant_id="acme", customer_id="c1", subscription_id="s1", currency="USD", timezone="UTC"
    )
    issued: Any = SimpleNamespace(row=row, number=row.number, position=4, differences=lambda _: differences)
    answer: Any = SimpleNamespace(statement=drawn, lines=[], partition=1, behind={})
    return Told(issued, answer, {})


def test_a_row_that_the_journal_does_not_make_is_told_by_what_is_wrong_with_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = told(FieldDifference("invoice_lines[2]", "no such row", "a row"))
    one.line(2)
    assert one.findings(2) == ["beaas.invoice_lines[2] says a row, by the journal it is no such row"]
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("INV-000002 · c1 of acme")
    assert out.endswith("✗ beaas.invoice_lines[2] says a row, by the journal it is no such row")


def test_a_line_may_be_asked_for_that_stands_on_the_invoice_or_ought_to() -> None:
    rows = (SimpleNamespace(position=1), SimpleNamespace(position=9))
    issued: Any = SimpleNamespace(lines=rows)
    answer: Any = SimpleNamespace(lines=[object()] * 3)
    assert lines_of(issued, answer) == {1, 2, 3, 9}
