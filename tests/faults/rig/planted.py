"""Bugs planted into a role: each is one that the auditor has to see after the crashes of the bench."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final

PLANT: Final = "BEAAS_FAULTS_PLANT"
_LATE_S: Final = 1.0


def sinks_confirm_first() -> None:
    """A batch counts as written a second before it is: who dies in between has lost its invoices."""
    import streams.agents.apps  # noqa: PLC0415 - only in the role that has the bug
    from streams.agents.sinks import SinkFold  # noqa: PLC0415

    class ConfirmsFirst(SinkFold[Any]):
        _writing: ClassVar[set[asyncio.Task[None]]] = set()

        async def fold(self, records: Sequence[Any]) -> None:
            task = asyncio.create_task(self._write_late(records))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

        async def _write_late(self, records: Sequence[Any]) -> None:
            await asyncio.sleep(_LATE_S)
            await super().fold(records)

    vars(streams.agents.apps)["SinkFold"] = ConfirmsFirst


def flush_in_two() -> None:
    """Tables and position are committed first, the outcomes in a transaction of their own, a moment later."""
    from streams.batching.flush import Committer  # noqa: PLC0415 - as above

    whole = Committer.commit

    async def commit(self: Any, flush: Any, position: int) -> None:
        await whole(self, replace(flush, outcomes=[]), position)
        if flush.outcomes:
            await asyncio.sleep(_LATE_S / 10)
            await whole(self, replace(flush, tables={}), position)

    setattr(Committer, "commit", commit)  # noqa: B010 - a plain assignment to a method is one that mypy refuses


def relay_confirms_first() -> None:
    """The position moves on while the events are still on their way."""
    import connectors.relay.run  # noqa: PLC0415 - as above
    from connectors.relay.relay import Relay  # noqa: PLC0415

    class ConfirmsFirst(Relay):
        async def _publish(self, batch: Any) -> None:
            self._log.confirm(batch.end_lsn)
            await asyncio.sleep(_LATE_S)
            await super()._publish(batch)

    vars(connectors.relay.run)["Relay"] = ConfirmsFirst


BUGS: Final = {
    "sinks-confirm-first": sinks_confirm_first,
    "flush-in-two": flush_in_two,
    "relay-confirms-first": relay_confirms_first,
}
