"""The flights of examples/flights as the oracle's events, and its tariff for tenants of a test's own."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import yaml

from tests.pipeline.oracle import Event

HERE: Final = Path(__file__).parents[2] / "examples" / "flights"
OWN: Final = frozenset({"id", "occurred_at", "origin", "carrier", "type"})


def flights(start: datetime, end: datetime, *, arrived: datetime, every: int = 1) -> Iterator[tuple[str, Event]]:
    """Yields the flights from start to end with their origins, or each n-th of them; they are in order of time."""
    with gzip.open(HERE / "2013.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for place, row in enumerate(csv.DictReader(file)):
            at = datetime.fromisoformat(row["occurred_at"])
            if at >= end:
                return
            if at >= start and place % every == 0:
                properties = {name: value for name, value in row.items() if name not in OWN and value}
                yield row["origin"], Event(row["id"], row["carrier"], row["type"], at, properties, arrived)


def tariff(periods: int) -> dict[str, dict[str, Any]]:
    """Returns the example's tenants by their codes, each subscription so many periods long."""
    found = {}
    for tenant in yaml.safe_load((HERE / "tariff.yaml").read_text(encoding="utf-8"))["tenants"]:
        subscriptions = [raw | {"periods": periods} for raw in tenant["subscriptions"]]
        found[tenant["code"]] = tenant | {"subscriptions": subscriptions}
    return found
