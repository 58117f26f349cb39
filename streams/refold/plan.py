"""The rating agent's plan for a fold beside it: the same topics, no changelogs of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from schemas import topics
from schemas.codec import Codec
from streams.agents.deadletters import DeadLetters
from streams.agents.journal import JournalReader
from streams.agents.rating import RatingPlan
from streams.batching.tables import FoldTable, PackedIdTable
from streams.refold.scope import Scope


@asynccontextmanager
async def rating_plan(
    codec: Codec, bootstrap_servers: str, prefix: str, scope: Scope, *, usage_window: timedelta
) -> AsyncIterator[RatingPlan]:
    """What the rating fold needs to know; the block holds its second reader of the journal."""
    journal = JournalReader(bootstrap_servers, topics.JOURNAL.full_name(prefix))
    dead_letters = topics.DEAD_LETTERS.full_name(prefix)
    try:
        yield RatingPlan(
            codec=codec,
            journal=journal,
            statements=topics.STATEMENTS.full_name(prefix),
            totals=topics.USAGE_TOTALS.full_name(prefix),
            dead_letters=DeadLetters(codec, dead_letters, scope.partitions, scope.tenant_slice),
            accounts=FoldTable("accounts", "refold-accounts"),
            ids=PackedIdTable("ids", "refold-ids"),
            usage_window=usage_window,
        )
    finally:
        await journal.stop()
