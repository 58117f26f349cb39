"""An explained invoice for people, in tables, and for scripts, as JSON."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from rich.padding import Padding
from rich.table import Table

from billing.currency import currency
from billing.instant import instant
from billing.quantity import plain
from streams.cli.tables import console
from streams.cli.words import Words, number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from billing.inquiry import Contribution, Explained
    from connectors.postgres.issued import FieldDifference, IssuedInvoice
    from streams.refold.inquire import Answer

_INDENT: Final = (0, 0, 0, 2)


class Told:
    """An invoice as it was issued, and what an inquiry answers of the statement that it was drawn from."""

    def __init__(self, issued: IssuedInvoice, answer: Answer, numbers: Mapping[str, str]) -> None:
        self._issued, self._answer = issued, answer
        self._differences: tuple[FieldDifference, ...] = tuple(issued.differences(answer.statement))
        statement = answer.statement
        self._words = Words(currency(statement.currency), ZoneInfo(statement.timezone), numbers)
        self._out = console()

    def findings(self, line: int | None) -> list[str]:
        """What does not hold: of the line, or of the whole invoice."""
        lines = [told for told in self._answer.lines if line in {None, told.place + 1}]
        of_lines = [f"line {told.place + 1}: {finding}" for told in lines for finding in told.findings]
        issued = [
            f"beaas.{one.field} says {one.issued}, by the journal it is {one.refolded}"
            for one in self._differences
            if line is None or not one.field.startswith("invoice_lines[") or one.field.startswith(_row(line))
        ]
        return of_lines + issued

    # --- for people

    def invoice(self) -> None:
        """Prints the invoice with its sums, and how each of its lines came about in a word."""
        self._head()
        self._out.print(Padding(self._lines(), _INDENT, expand=False))
        self._out.print()
        self._out.print(Padding(self._sums(), _INDENT, expand=False))
        self._out.print()
        self._verdict(None)
        tenant = f" --tenant {self._issued.row.tenant_id}"
        self._out.print(f"How a line came about, and its events: beaas explain {self._issued.number} 1{tenant}")

    def line(self, position: int) -> None:
        """Prints how one line came about; of a row that the journal does not make, what is wrong with it."""
        self._head()
        if position > len(self._answer.lines):
            self._verdict(position)
            return
        told = self._answer.lines[position - 1]
        line, words = told.line, self._words
        group = " · ".join(f"{name} {value or '(none)'}" for name, value in line.group.items())
        title = f"line {position}: {line.price}, {line.kind.replace('_', ' ')}" + (f" · {group}" if group else "")
        self._out.print(f"{title} · {words.period(line.period_start_us, line.period_end_us)}", style="bold")
        self._out.print(f"plan {told.plan} version {told.plan_version}")
        self._out.print()
        self._out.print(Padding(self._how(told), _INDENT, expand=False))
        self._out.print()
        if line.events:
            self._events(told)
            self._out.print()
        self._verdict(position)

    def _head(self) -> None:
        row, words = self._issued.row, self._words
        where = f"{row.customer_id} of {row.tenant_id} · subscription {row.subscription_id}"
        self._out.print(f"{row.number} · {where} · {row.currency}", style="bold")
        command = f"journal partition {self._answer.partition} offset {self._issued.position}"
        issued = words.at(self._answer.statement.issued_at_us)
        self._out.print(f"issued {issued} ({row.timezone}, as all instants here) · drawn by {command}")
        self._out.print()

    def _lines(self) -> Table:
        table = _table(("", "right"), "price", "what", "group", "period", ("quantity", "right"), ("events", "right"))
        table.add_column("before coupons", justify="right")
        table.add_column("amount", justify="right")
        for told in self._answer.lines:
            line, words = told.line, self._words
            table.add_row(
                str(told.place + 1),
                line.price,
                line.kind.replace("_", " "),
                ", ".join(value or "(none)" for value in line.group.values()),
                words.period(line.period_start_us, line.period_end_us),
                number(Decimal(line.quantity)),
                f"{line.events:,}" if line.events else "",
                words.money(line.amount_minor + line.discount_minor) if told.taken else "",
                words.money(line.amount_minor),
            )
        return table

    def _sums(self) -> Table:
        row, words = self._issued.row, self._words
        taxable = sum(told.line.amount_minor for told in self._answer.lines if told.line.taxable)
        table = Table.grid(padding=(0, 2))
        table.add_column()
        table.add_column()
        table.add_column(justify="right")
        table.add_row("subtotal", f"{len(self._answer.lines):,} lines", words.money(int(row.subtotal_minor)))
        tax = f"{plain(row.tax_percent)} % of {words.money(taxable)}, the taxable lines together; rounded once"
        table.add_row("tax", tax, words.money(int(row.tax_minor)))
        credited = int(row.total_minor - row.subtotal_minor - row.tax_minor)
        if credited:
            table.add_row("to credit", "a negative sum becomes credit of the customer", words.money(credited))
        table.add_row("total", "", words.money(int(row.total_minor)))
        for burn in self._issued.burns:
            table.add_row("paid by credit", burn.grant_id, words.money(-int(burn.amount_minor)))
        table.add_row("amount due", row.currency, words.money(int(row.amount_due_minor)), style="bold")
        return table

    def _how(self, told: Explained) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        table.add_column(justify="right")
        table.add_column(justify="right")
        for section in self._words.sections(told):
            for place, row in enumerate(section.rows):
                table.add_row(section.heading if not place else "", row.text, row.formula, row.result)
            table.add_row()
        table.add_row("the line", "", "", self._words.money(told.line.amount_minor), style="bold")
        table.add_row("tax", self._tax(told))
        return table

    def _tax(self, told: Explained) -> str:
        percent = plain(self._issued.row.tax_percent)
        if not told.line.taxable:
            return "the price is not taxable"
        return f"{percent} % of all taxable lines together, on the invoice"

    def _events(self, told: Explained) -> None:
        kept = self._answer.behind.get(told.place, [])
        count = told.line.events
        shown = f"{count:,}" if len(kept) >= count else f"the first {len(kept):,} of {count:,}, --events all for all"
        self._out.print(f"events behind the line: {shown}", style="bold")
        table = _table(("journal", "right"), "occurred at", "source", "id", ("gives", "right"))
        for one in kept:
            table.add_row(
                f"{self._answer.partition}:{one.position}",
                self._words.at(one.usage.occurred_at_us),
                one.usage.source,
                one.usage.id,
                _gives(one),
            )
        self._out.print(Padding(table, _INDENT, expand=False))

    def _verdict(self, line: int | None) -> None:
        findings = self.findings(line)
        for finding in findings:
            self._out.print(f"✗ {finding}", style="bold red")
        if findings:
            return
        said = "every line is" if line is None else "the line is"
        self._out.print(
            f"✓ {said} what the journal's events and the agreed prices make, event for event", style="green"
        )

    # --- for scripts

    def as_json(self, line: int | None) -> None:
        """Prints one object: all that is told, with every event that was kept."""
        row, statement = self._issued.row, self._answer.statement
        told = {
            "number": row.number,
            "tenant": row.tenant_id,
            "customer": row.customer_id,
            "subscription": row.subscription_id,
            "statement_id": row.statement_id,
            "issued_at": row.issued_at.isoformat(),
            "currency": row.currency,
            "timezone": row.timezone,
            "journal": {"partition": self._answer.partition, "offset": statement.position},
            "subtotal": self._plain(int(row.subtotal_minor)),
            "tax_percent": plain(row.tax_percent),
            "tax": self._plain(int(row.tax_minor)),
            "total": self._plain(int(row.total_minor)),
            "credit_applied": self._plain(int(row.credit_applied_minor)),
            "amount_due": self._plain(int(row.amount_due_minor)),
            "lines": [self._line(one) for one in self._answer.lines if line in {None, one.place + 1}],
            "findings": self.findings(line),
        }
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")

    def _line(self, told: Explained) -> dict[str, object]:
        line = told.line
        return {
            "position": told.place + 1,
            "kind": line.kind.value,
            "price": line.price,
            "plan": told.plan,
            "plan_version": told.plan_version,
            "group": line.group,
            "quantity": line.quantity,
            "amount": self._plain(line.amount_minor),
            "discount": self._plain(line.discount_minor),
            "period_start": instant(line.period_start_us).isoformat(),
            "period_end": instant(line.period_end_us).isoformat(),
            "taxable": line.taxable,
            "explanation": [
                {"section": section.heading, "text": row.text, "formula": row.formula, "result": row.result}
                for section in self._words.sections(told)
                for row in section.rows
            ],
            "events": line.events,
            "events_digest": line.events_digest.hex(),
            "behind": [
                {
                    "partition": self._answer.partition,
                    "offset": one.position,
                    "occurred_at": instant(one.usage.occurred_at_us).isoformat(),
                    "source": one.usage.source,
                    "id": one.usage.id,
                    "gives": _gives(one),
                }
                for one in self._answer.behind.get(told.place, [])
            ],
        }

    def _plain(self, minor: int) -> str:
        return self._words.money(minor).replace(",", "")


def _gives(one: Contribution) -> str:
    """What a meter read of the event."""
    if one.value is None:
        return "1"
    return one.value.lstrip("\0") if isinstance(one.value, str) else number(one.value)


def _row(line: int) -> str:
    return f"invoice_lines[{line}]"


def _table(*columns: str | tuple[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]  # left or right
    return table
