"""Kafka, as far as the product leans on it: partitioned logs, transactions that fence, and groups with their offsets.

What is as in Kafka because something of the product hangs on it:

- a transaction's records take offsets when they are written, and its end one more (the marker) in each partition;
- a reader with `read_committed` gets nothing beyond the first open transaction, and never an aborted record;
- a commit is decided at one moment and its markers are written a little later, partition by partition;
- starting a transactional id waits for those markers, aborts what is open, and fences every former user of the id;
- the answer to a request may be lost after it has had its effect.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiokafka.errors import ProducerFenced

from streams.batching.batch import Record
from tests.simulation.world import World

Headers = tuple[tuple[str, bytes], ...]
Sent = tuple[bytes | None, bytes | None, Headers, int]
"""Key, value, headers, timestamp in ms."""
Place = tuple[str, int]
"""Topic and partition."""

_MARKER_WITHIN_S = 0.02


@dataclass(slots=True)
class Log:
    """One partition.

    Attributes:
        entries: by offset; None where a transaction's marker stands.
        open: where each open transaction began.
        undecided: what each of them has written that may still be aborted; records of several may stand mixed.
        aborted: offsets of records that never were.
    """

    topic: str
    partition: int
    entries: list[Record | None] = field(default_factory=list)
    open: dict[str, int] = field(default_factory=dict)
    undecided: dict[str, list[int]] = field(default_factory=dict)
    aborted: set[int] = field(default_factory=set)

    @property
    def end(self) -> int:
        """The offset of what is written next."""
        return len(self.entries)

    @property
    def stable_end(self) -> int:
        """Where a reader of committed records has to stop."""
        return min(self.open.values()) if self.open else len(self.entries)

    def readable_end(self, *, committed: bool) -> int:
        """Where a reader has to stop."""
        return self.stable_end if committed else self.end

    def append(self, sent: Sequence[Sent]) -> int:
        """Returns the offset of the first."""
        base = len(self.entries)
        self.entries += [
            Record(self.topic, self.partition, offset, timestamp, key, value, headers)
            for offset, (key, value, headers, timestamp) in enumerate(sent, base)
        ]
        return base

    def read(self, position: int, *, most: int, committed: bool = True) -> tuple[list[Record], int]:
        """Returns up to `most` records from a position, and the position after all that was passed."""
        end = self.readable_end(committed=committed)
        left_out = self.aborted if committed else ()
        found: list[Record] = []
        while position < end and (missing := most - len(found)) > 0:
            portion = self.entries[position : min(end, position + missing)]
            position += len(portion)
            found += [one for one in portion if one is not None and one.offset not in left_out]
        return found, position

    def committed(self) -> list[Record]:
        """All that a reader of committed records ever gets."""
        return self.read(0, most=len(self.entries) + 1)[0]


@dataclass(slots=True)
class Transaction:
    """What stands behind one transactional id."""

    epoch: int = 0
    written: dict[Place, int] = field(default_factory=dict)
    """Where its records of the open transaction begin, and since when it is open."""
    opened: int = 0
    ending: int = 0
    """Markers still to be written."""


@dataclass(slots=True)
class Broker:
    """All logs, all transactions.

    Attributes:
        partitions: how many every topic has.
        offsets: committed by groups.
        on_append: told of every record of a topic.
    """

    world: World
    partitions: int
    logs: dict[Place, Log] = field(default_factory=dict)
    offsets: dict[tuple[str, str, int], int] = field(default_factory=dict)
    on_append: dict[str, Callable[[Sequence[Sent]], None]] = field(default_factory=dict)
    _transactions: defaultdict[str, Transaction] = field(default_factory=lambda: defaultdict(Transaction))

    def log(self, topic: str, partition: int) -> Log:
        """The partition's log; a topic is there as soon as it is named."""
        found = self.logs.get((topic, partition))
        if found is None:
            assert 0 <= partition < self.partitions, (topic, partition)
            found = self.logs[topic, partition] = Log(topic, partition)
        return found

    def topic(self, topic: str) -> list[Log]:
        """All its partitions."""
        return [self.log(topic, partition) for partition in range(self.partitions)]

    def append(self, topic: str, partition: int, sent: Sequence[Sent]) -> int:
        """Writes outside of transactions; returns the first offset."""
        base = self.log(topic, partition).append(sent)
        if topic in self.on_append:
            self.on_append[topic](sent)
        return base

    # Transactions ---------------------------------------------------------------------------------------------------

    def can_start(self, name: str) -> bool:
        """Whether nothing of the id's last transaction is still to be written."""
        return self._transactions[name].ending == 0

    def start(self, name: str) -> int:
        """Returns the id's new epoch: every earlier user is fenced, and what it left open is aborted."""
        transaction = self._transactions[name]
        assert transaction.ending == 0
        for place in transaction.written:
            self.world.happened["partition with an aborted transaction"] += 1
            self._end_in(name, place, committed=False)
        transaction.written = {}
        transaction.epoch += 1
        return transaction.epoch

    def append_in(self, name: str, epoch: int, place: Place, sent: Sequence[Sent], timeout_s: float) -> int:
        """Writes inside of the id's transaction, which may stay open for `timeout_s`; returns the first offset.

        Raises:
            ProducerFenced: the id was started again since.
        """
        transaction = self._checked(name, epoch)
        log = self.log(*place)
        if not transaction.written:
            transaction.opened += 1
            opened = transaction.opened
            self.world.after(timeout_s, lambda: self._time_out(name, opened))
        base = log.append(sent)
        if place not in transaction.written:
            transaction.written[place] = log.open[name] = base
        log.undecided.setdefault(name, []).extend(range(base, log.end))
        if place[0] in self.on_append:
            self.on_append[place[0]](sent)
        return base

    def commit(self, name: str, epoch: int) -> None:
        """All that was written in the transaction is committed; readers see it partition by partition.

        Raises:
            ProducerFenced: the id was started again since; nothing is committed.
        """
        transaction = self._checked(name, epoch)
        assert transaction.ending == 0 or not transaction.written
        places, transaction.written = list(transaction.written), {}
        transaction.ending += len(places)
        for place in places:
            del self.logs[place].undecided[name]
        for place in places:
            self.world.after(self.world.random.random() * _MARKER_WITHIN_S, self._marker(name, place))

    def _marker(self, name: str, place: Place) -> Callable[[], None]:
        def write() -> None:
            self._end_in(name, place, committed=True)
            self._transactions[name].ending -= 1

        return write

    def _end_in(self, name: str, place: Place, *, committed: bool) -> None:
        log = self.logs[place]
        del log.open[name]
        if not committed:
            log.aborted.update(log.undecided.pop(name))
        log.entries.append(None)

    def _checked(self, name: str, epoch: int) -> Transaction:
        transaction = self._transactions[name]
        if transaction.epoch != epoch:
            raise ProducerFenced
        return transaction

    def _time_out(self, name: str, opened: int) -> None:
        transaction = self._transactions[name]
        if transaction.opened == opened and transaction.written:
            self.world.happened["transaction timed out"] += 1
            self.world.note(f"the transaction of {name} is timed out")
            self.start(name)
