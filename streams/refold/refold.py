"""The journal's fold again: the rating agent's own, on tables of its own, without anything going out."""

from collections.abc import AsyncIterable, AsyncIterator, Mapping
from pathlib import Path
from typing import Final

from streams.agents.rating import RatingFold, RatingPlan
from streams.batching.batch import Outgoing, Partition, Record
from streams.batching.stores import Store, Stores
from streams.batching.tables import FoldTable

BATCH_RECORDS: Final = 500
RECORDS_A_FLUSH: Final = 20_000
"""A working set of some 20 MB at most before it goes to the disk."""


class Refold:
    """Accounts of one partition, folded again from the journal's beginning into tables in a directory.

    Memory is bounded as in the agent: what does not change any more lies on the disk, accounts and ids alike.
    """

    def __init__(self, plan: RatingPlan, partition: int, directory: Path) -> None:
        self._plan = plan
        self._all = Stores("rocksdb://", directory, [plan.accounts, plan.ids])
        self._stores: Mapping[FoldTable, Store] = self._all.keep([partition])[partition]
        self._fold = RatingFold(plan, Partition(partition, self._stores))
        self._position = 0

    def store(self, table: FoldTable) -> Store:
        """The table as of the records folded."""
        return self._stores[table]

    async def statements(self, records: AsyncIterable[Record]) -> AsyncIterator[Outgoing]:
        """Folds the records in their order and yields the statements that come of it, as rating would publish them."""
        batch: list[Record] = []
        unflushed = 0
        async for record in records:
            batch.append(record)
            if len(batch) == BATCH_RECORDS:
                await self._fold.fold(batch)
                unflushed += len(batch)
                batch = []
                if unflushed >= RECORDS_A_FLUSH:
                    for statement in self._flushed():
                        yield statement
                    unflushed = 0
        if batch:
            await self._fold.fold(batch)
        for statement in self._flushed():
            yield statement

    def close(self) -> None:
        """The tables are closed; their files are the caller's."""
        self._all.close()

    def _flushed(self) -> list[Outgoing]:
        flush = self._fold.flush()
        self._position += 1
        for table, changes in flush.tables.items():
            self._stores[table].write(changes, self._position)
        self._fold.flushed()
        return [outgoing for outgoing in flush.outcomes if outgoing.topic == self._plan.statements]
