"""Usage at a steady rate, and what comes out of it: both by one monotonic clock, each on a thread of its own.

It shares the machine with what it measures, so it does little for each event: where latency is measured, records are
made before the clock starts and nobody is called for an acknowledgement; totals are read by hand. At thirty thousand
events a second it took two fifths of a core otherwise.
"""

import gc
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, count, islice
from typing import Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from benchmarks import minimal
from benchmarks.bench import Scene
from benchmarks.workload import Keyed
from schemas.partition import placement
from schemas.records import UsageTotal
from schemas.topics import USAGE_TOTALS, Topic
from schemas.usage_wire import FRAME_SIZE_BYTES
from streams.agents.rating import UNIT

_LINGER_MS: Final = 5
"""What Kafka's own producer has by default since 4.0."""
_PACE_S: Final = 0.002
_MOST_A_PACE: Final = 1_000
"""However much is due, acknowledgements are looked at in between."""
_QUEUED: Final = 500_000
_UNIT: Final = UNIT.encode()


class Seen(NamedTuple):
    """A running total, when a `read_committed` consumer got it."""

    at_s: float
    partition: int
    account: str
    quantity: int
    position: int


class Pace(NamedTuple):
    """How fast events are sent: `ready` of them are made before the first is, the others one by one."""

    per_s: float
    ahead: int = _QUEUED
    """Never more than this that are in no total yet."""
    ready: int = 0


class Load:
    """What was sent and what was seen; the lists only grow, each by its own thread."""

    def __init__(self, scene: Scene, topic: Topic, pace: Pace, *, locating: bool = False) -> None:
        """Sends events to the topic at this pace; `locating` keeps `positions`, for which each is acknowledged."""
        self._scene, self._topic, self._pace, self._locating = scene, scene.topic(topic), pace, locating
        self._stop = threading.Event()
        self.failure: Exception | None = None
        self.sent: dict[str, list[float]] = {}
        """By account, in their order: when each event was handed to the producer."""
        self.positions: dict[tuple[int, int], float] = {}
        """By partition and offset: when Kafka acknowledged the event that stands there."""
        self.seen: list[Seen] = []
        self.counted = 0
        """How many events are in a total that was seen."""
        self._counted_of: dict[str, int] = {}
        self._totals: dict[bytes, bool] = {}
        """By frame, whether records that begin so are running totals."""
        made = self._made()
        self._records = chain(list(islice(made, pace.ready)), made)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Sends while the block runs; what was sent is acknowledged afterwards.

        Raises:
            RuntimeError: Kafka refused something.
        """
        with ExitStack() as stack:
            # millions of objects that all live: a collection would be in the figure, as if the workers had stood still
            gc.disable()
            stack.callback(gc.enable)
            following = threading.Event()
            for work in (lambda: self._follow(following), lambda: self._produce(following)):
                thread = threading.Thread(target=self._guarded, args=[work])
                thread.start()
                stack.callback(thread.join)
                stack.callback(self._stop.set)
            yield
        if self.failure is not None:
            raise RuntimeError(f"the load failed: {self.failure}") from self.failure

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as failure:  # noqa: BLE001 - it belongs to the thread that waits
            self.failure = failure

    def _produce(self, following: threading.Event) -> None:
        following.wait()
        producer = Producer(
            {
                "bootstrap.servers": self._scene.kafka,
                "linger.ms": _LINGER_MS,
                "enable.idempotence": True,
                "queue.buffering.max.messages": _QUEUED,
                "log_level": 2,
            }
        )
        began, sent, pace = time.monotonic(), 0, self._pace
        on_delivery = self._delivered if self._locating else None
        while not self._stop.is_set():
            now = time.monotonic()
            due = min(int((now - began) * pace.per_s), self.counted + pace.ahead, sent + _MOST_A_PACE)
            for times, record in islice(self._records, due - sent):
                producer.produce(self._topic, record.value, record.key, record.partition, on_delivery=on_delivery)
                times.append(now)
            sent = due
            producer.poll(_PACE_S)
        if left := producer.flush(30):
            raise RuntimeError(f"{left} events were not acknowledged within 30 s")

    def _made(self) -> Iterator[tuple[list[float], Keyed]]:
        """Events of quantity 1, account after account, so that a total's quantity says which events are in it.

        They occur as fast as they are sent, to the millisecond. Each with the list that the time of its sending belongs
        in.
        """
        settings, codec = self._scene.settings, self._scene.codec
        place = placement(partitions=settings.partitions, slice_size=settings.tenant_slice)
        began = time.monotonic()
        for number in count():
            at_s = number / self._pace.per_s if number < self._pace.ready else time.monotonic() - began
            at = int(at_s * 1_000_000 / minimal.SPACING_US)
            usage = minimal.usage(at, number % minimal.ACCOUNTS, 1, f"{number:026x}")
            account, partition = f"{usage.tenant}/{usage.customer}", place(usage.tenant, usage.customer)
            times = self.sent.setdefault(account, [])
            yield times, Keyed(account.encode(), codec.encode_usage(usage), partition)

    def _delivered(self, error: Any, message: Message) -> None:
        if error is not None:
            self.failure = KafkaException(error)
            return
        partition, offset = message.partition(), message.offset()
        assert partition is not None  # noqa: S101 - as it was sent
        assert offset is not None  # noqa: S101 - it was acknowledged
        self.positions[partition, offset] = time.monotonic()

    def _follow(self, following: threading.Event) -> None:
        topic = self._scene.topic(USAGE_TOTALS)
        consumer = Consumer(
            {
                "bootstrap.servers": self._scene.kafka,
                "group.id": "bench-totals",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 2,
            }
        )
        try:
            partitions = [TopicPartition(topic, number) for number in range(self._scene.settings.partitions)]
            for one in partitions:
                one.offset = consumer.get_watermark_offsets(one, timeout=10)[1]
            consumer.assign(partitions)
            following.set()
            while not self._stop.is_set():
                for message in consumer.consume(1_000, timeout=_PACE_S):
                    self._saw(time.monotonic(), message)
        finally:
            following.set()
            consumer.close()

    def _saw(self, at_s: float, message: Message) -> None:
        value, partition = message.value(), message.partition()
        assert isinstance(value, bytes)  # noqa: S101 - no tombstones on this topic
        assert partition is not None  # noqa: S101 - it was read from one
        frame = value[:FRAME_SIZE_BYTES]
        if frame not in self._totals:
            self._totals[frame] = isinstance(self._scene.codec.decode(value), UsageTotal)
        if self._totals[frame]:
            quantity, position = told(value)
            account = (message.key() or b"").partition(_UNIT)[0].decode()
            before = self._counted_of.get(account, 0)
            self._counted_of[account] = max(quantity, before)
            self.counted += max(quantity - before, 0)
            self.seen.append(Seen(at_s, partition, account, quantity, position))


def told(total: bytes) -> tuple[int, int]:
    """Returns the quantity and the journal position of a framed `UsageTotal` of `benchmarks.minimal`, without a group.

    Avro by hand, 2 µs in place of 20: with thirty thousand totals a second whoever looks on would take half a core from
    what he measures.
    """
    at = FRAME_SIZE_BYTES
    for _ in ("tenant", "customer", "subscription", "price"):
        at += 1 + (total[at] >> 1)
    _, at = _long(total, at)  # of a group's names there are none
    for _ in ("period start", "period end"):
        _, at = _long(total, at)
    length, at = _long(total, at)
    quantity = int(total[at : at + length])
    for _ in ("amount", "currency"):
        at += length
        length, at = _long(total, at)
    position, _ = _long(total, at + length)
    return quantity, position


def _long(record: bytes, at: int) -> tuple[int, int]:
    """An Avro long, and where the next field begins."""
    number = shift = 0
    while record[at] & 0x80:
        number |= (record[at] & 0x7F) << shift
        shift += 7
        at += 1
    number |= record[at] << shift
    return number >> 1 ^ -(number & 1), at + 1
