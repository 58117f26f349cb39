"""Which exit status an error means; what is not named here is a defect and shows its traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WRONG_USE, UNREACHABLE = 2, 3

# By module and name, so that classifying an error does not import all that could have raised it.
STATUSES = {
    "billing.errors.IllegalTransition": WRONG_USE,
    "billing.errors.InvalidDefinition": WRONG_USE,
    "connectors.catalogue_file.problems.BadFile": WRONG_USE,
    "connectors.kafka.topics.KafkaUnreachable": UNREACHABLE,
    "connectors.kafka.topics.TopicMismatch": WRONG_USE,
    "connectors.postgres.migrate.MigrationDrift": WRONG_USE,
    "connectors.postgres.placement.PlacementChanged": WRONG_USE,
    "connectors.postgres.pool.BadPostgresUrl": WRONG_USE,
    "connectors.registry.errors.RegistryUnavailable": UNREACHABLE,
    "connectors.registry.errors.SchemaRefused": WRONG_USE,
    "connectors.registry.errors.SchemasMissing": WRONG_USE,
    "connectors.services.errors.Conflict": WRONG_USE,
    "connectors.services.errors.Unknown": WRONG_USE,
    "connectors.telemetry.health.BadBind": WRONG_USE,
    "connectors.usage_file.reader.BadUsageFile": WRONG_USE,
    "psycopg.OperationalError": UNREACHABLE,
    "psycopg_pool.PoolTimeout": UNREACHABLE,
    "streams.conformance.case.InvalidCase": WRONG_USE,
}


def status_of(error: Exception) -> int | None:
    """The exit status that an error means, None for a defect."""
    own = getattr(error, "exit_status", None)
    if isinstance(own, int):
        return own
    return next((status for kind, status in _known() if isinstance(error, kind)), None)


def _known() -> Iterable[tuple[type[Exception], int]]:
    for path, status in STATUSES.items():
        module, _, name = path.rpartition(".")
        kind = getattr(sys.modules.get(module), name, None)  # a module that is not loaded raised nothing
        if kind is not None:
            yield kind, status
