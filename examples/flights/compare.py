"""The year's invoices beside the expected ones."""

import csv
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from examples.show import ShownInvoice


def compare(found: list[ShownInvoice], expected: Path) -> tuple[int, int, list[str]]:
    """How many expected invoices came out to the cent, of how many, and what differs."""
    have: dict[tuple[str, str, datetime], list[ShownInvoice]] = {}
    for invoice in found:
        have.setdefault((invoice.tenant, invoice.customer, invoice.issued_at), []).append(invoice)
    equal, total, differences = 0, 0, []
    with expected.open(newline="") as file:
        for row in csv.DictReader(file):
            total += 1
            key = (row["tenant"], row["customer"], datetime.fromisoformat(row["issued_at"]))
            wanted = tuple(Decimal(row[name]) for name in ("subtotal", "tax", "total"))
            got = [(one.subtotal, one.tax, one.total) for one in have.pop(key, [])]
            if got == [wanted]:
                equal += 1
            else:
                differences.append(f"{key[0]} {key[1]} {key[2]:%Y-%m-%d}: expected {wanted}, got {got or 'no invoice'}")
    differences += [f"{key[0]} {key[1]} {key[2]:%Y-%m-%d}: not expected" for key in have]
    return equal, total, differences
