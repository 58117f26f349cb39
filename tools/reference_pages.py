"""Writes the pages of `docs/` that only repeat what the code says: settings, topics, metrics; `--check` only compares.

Run as `python -m tools.reference_pages [--check]`.
"""

import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from enum import Enum
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr

from connectors.relay.metrics import RelayMetrics
from connectors.scheduler.metrics import SchedulerMetrics
from schemas.topics import TOPICS, Topic, subject
from streams.agents import metrics as agents
from streams.batching import metrics as batching
from streams.settings import Settings

DOCS = Path(__file__).parent.parent / "docs"
PREFIX = "beaas."


def settings() -> str:
    """The page of the settings."""
    rows = []
    for name, field in Settings.model_fields.items():
        default = field.default
        shown = default.get_secret_value() if isinstance(default, SecretStr) else default
        shown = shown.value if isinstance(shown, Enum) else shown
        rows.append(f"| `BEAAS_{name.upper()}` | {f'`{shown}`' if shown != '' else 'empty'} | {field.description} |")
    return _page(
        "Settings",
        "Every setting is an environment variable with the prefix `BEAAS_`.",
        "streams/settings.py",
        ("variable", "default", "meaning"),
        rows,
    )


def topics() -> str:
    """The page of the topics, with the default prefix."""
    rows = [row for topic in TOPICS for row in _rows_of(topic)]
    return _page(
        "Topics",
        f"Named with the default prefix, `{PREFIX}`. What is kept as *newest* holds the newest record of each key.",
        "schemas/topics.py",
        ("topic", "record", "subject", "kept", "partition chosen by"),
        rows,
    )


def _rows_of(topic: Topic) -> Iterator[str]:
    kept = "newest" if topic.cleanup == "compact" else "for ever" if topic.retention is None else _days(topic.retention)
    chooser = "tenant and key" if topic.placed else "whoever writes"
    for record in topic.records:
        name = topic.full_name(PREFIX)
        yield f"| `{name}` | `{record}` | `{subject(topic, record, PREFIX)}` | {kept} | {chooser} |"


def _days(kept: timedelta) -> str:
    return f"{kept.days} days"


def metrics() -> str:
    """The page of the metrics."""
    registry = CollectorRegistry()
    homes = {
        "worker": vars(batching),
        "worker rating": vars(agents),
        "relay": vars(RelayMetrics(registry)),
        "scheduler": vars(SchedulerMetrics(registry)),
    }
    rows = [
        _metric_row(metric, role)
        for role, home in homes.items()
        for metric in home.values()
        if isinstance(metric, MetricWrapperBase)
    ]
    return _page(
        "Metrics",
        "Every role serves them at `/metrics` of its own port, beside those of the Python process.",
        "streams/*/metrics.py` and `connectors/*/metrics.py",
        ("metric", "kind", "labels", "role", "meaning"),
        rows,
    )


def _metric_row(metric: MetricWrapperBase, role: str) -> str:
    (family,) = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(metric._labelnames) or "none"  # noqa: SLF001 - told nowhere else while there are no samples
    return f"| `{name}` | {family.type} | {labels} | {role} | {family.documentation} |"


def _page(title: str, about: str, source: str, columns: tuple[str, ...], rows: list[str]) -> str:
    head = f"# {title}\n\n{about}\nGenerated from `{source}` by `python -m tools.reference_pages`.\n\n"
    table = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}", *rows]
    return head + "\n".join(table) + "\n"


PAGES: dict[str, Callable[[], str]] = {"settings.md": settings, "topics.md": topics, "metrics.md": metrics}


def main() -> int:
    """Writes the pages, or compares; returns 1 on a difference."""
    stale = [name for name, page in PAGES.items() if not _is_written(DOCS / name, page())]
    if "--check" not in sys.argv[1:]:
        for name in stale:
            (DOCS / name).write_text(PAGES[name]())
        return 0
    for name in stale:
        sys.stderr.write(f"docs/{name} is stale: run python -m tools.reference_pages\n")
    return 1 if stale else 0


def _is_written(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
