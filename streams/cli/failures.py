"""The exit statuses, and which one an error means; what is not named here is a defect and shows its traceback."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WELL, FAILED, WRONG_USE, UNREACHABLE, RESTART_ME = 0, 1, 2, 3, 70

# By module and name, so that classifying an error does not import all that could have raised it. The first that fits
# counts, so a class stands before its base.
STATUSES = {
    "aiokafka.errors.KafkaConnectionError": UNREACHABLE,
    "billing.errors.IllegalTransition": WRONG_USE,
    "billing.errors.InvalidDefinition": WRONG_USE,
    "connectors.audit.examine.UnknownTenant": WRONG_USE,
    "connectors.catalogue_file.problems.BadFile": WRONG_USE,
    "connectors.embedded.errors.DataDirectoryError": WRONG_USE,
    "connectors.embedded.errors.EmbeddedError": UNREACHABLE,
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
    "streams.cli.WrongUse": WRONG_USE,
    "schemas.errors.Unencodable": WRONG_USE,
    "streams.conformance.case.InvalidCase": WRONG_USE,
    "streams.refold.inquire.NoStatement": FAILED,
    "streams.refold.scope.JournalCut": FAILED,
    "streams.refold.scope.NotRated": FAILED,
    "streams.redrive.errors.LettersUnreadable": UNREACHABLE,
    "streams.redrive.errors.RedriveFailed": UNREACHABLE,
    "streams.redrive.errors.RedriveFenced": FAILED,
    "streams.settings.BadSettings": WRONG_USE,
}


def status_of(error: Exception) -> int | None:
    """The exit status that an error means, None for a defect."""
    return next((status for kind, status in _known() if isinstance(error, kind)), None)


def line_of(error: Exception) -> str:
    """What a reader is told; PostgreSQL's library adds lines that ask whether the server runs."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0] if status_of(error) == UNREACHABLE else text


def _known() -> Iterable[tuple[type[Exception], int]]:
    for path, status in STATUSES.items():
        module, _, name = path.rpartition(".")
        kind = getattr(sys.modules.get(module), name, None)  # a module that is not loaded raised nothing
        if kind is not None:
            yield kind, status
