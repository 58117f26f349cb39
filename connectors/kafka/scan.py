"""Kafka read in bulk by whoever only looks: where topics begin and end, who is how far, and all that is between."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import uuid4

from connectors.kafka.groups import committed_offsets
from connectors.kafka.topics import KafkaUnreachable

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

_TIMEOUT_S: Final = 10.0
_SILENT_S: Final = 30.0
_GATHERED_S: Final = 0.1
_UNDER_WAY_S: Final = 3.0  # a flush is over well before that
_LOOK_AGAIN_S: Final = 0.2
_RECORDS_AT_ONCE: Final = 5_000
_QUEUED_KIB: Final = 32 << 10  # what the client fetches ahead: bounds its memory


class Place(NamedTuple):
    """One partition."""

    topic: str
    partition: int


class Span(NamedTuple):
    """Offsets [start, end) of one partition."""

    place: Place
    start: int
    end: int


class Kafka:
    """A cluster that is only looked at; every method blocks, for some seconds at most without an answer.

    Every method raises `KafkaUnreachable` where no broker answers, and where retention has deleted the beginning of a
    span that is to be read.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        from confluent_kafka.admin import AdminClient  # noqa: PLC0415 - only what talks to Kafka waits for librdkafka

        self._bootstrap_servers = bootstrap_servers
        # log_level 0: librdkafka floods stderr while a broker is away, and says nothing that the exception doesn't.
        self._admin = AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 0})

    def partitions(self) -> dict[str, list[int]]:
        """Returns the partitions of every topic."""
        with self._translated():
            listed = self._admin.list_topics(timeout=_TIMEOUT_S).topics
        return {name: sorted(topic.partitions) for name, topic in listed.items() if topic.error is None}

    def spans(self, places: Sequence[Place]) -> dict[Place, Span]:
        """Returns where partitions begin and end; an open transaction is not before the end."""
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # noqa: PLC0415 - as above

        firsts = self._offsets(places, OffsetSpec.earliest())  # type: ignore[no-untyped-call]  # has no annotations
        lasts = self._ends(places)
        return {place: Span(place, firsts[place], lasts[place]) for place in places}

    def held_back(self, places: Sequence[Place]) -> dict[Place, Span]:
        """Returns what no reader of committed records is given, though it stands in the log: a transaction is open.

        A transaction that is under way gets some seconds to end. Where one was never finished, the stable offset, at
        which such a span begins, is the end that readers see: by it alone nobody would be behind.
        """
        if not places:
            return {}
        stable = self._ends(places)
        found = {place: end for place, end in self._ends(places, committed=False).items() if end > stable[place]}
        patient_until = monotonic() + _UNDER_WAY_S
        while found and monotonic() < patient_until:
            sleep(_LOOK_AGAIN_S)
            now = self._ends(list(found))
            found = {place: end for place, end in found.items() if now[place] == stable[place]}
        return {place: Span(place, stable[place], end) for place, end in found.items()}

    def committed(self, group: str, places: Sequence[Place]) -> dict[Place, int]:
        """Returns what a consumer group has committed; not where nothing is."""
        with self._translated():
            found = committed_offsets(self._admin, group, places)
        return {Place(*at): offset for at, offset in found.items()}

    def scan(self, spans: Iterable[Span]) -> Iterator[list["Message"]]:
        """Yields all committed records of the spans in bounded batches, those of a partition in their order."""
        left = {span.place: span.end for span in spans if span.start < span.end}
        if not left:
            return
        with self._reading(span for span in spans if span.place in left) as batches:
            for messages in batches:
                records = []
                for message in messages:
                    place, offset, ended = _met(message)
                    if place in left and not ended and offset < left[place]:
                        records.append(message)
                    if ended or offset >= left.get(place, offset) - 1:
                        left.pop(place, None)
                if records:
                    yield records
                if not left:
                    return

    def first_ms(self, spans: Iterable[Span], *, committed: bool = True) -> dict[Place, int]:
        """Returns the time of the first record of each span; not where there is none but ends of transactions."""
        left = {span.place: span.end for span in spans if span.start < span.end}
        found: dict[Place, int] = {}
        if not left:
            return found
        reading = self._reading((span for span in spans if span.place in left), committed=committed)
        with reading as batches:
            for messages in batches:
                for message in messages:
                    place, offset, ended = _met(message)
                    if place in left and not ended and offset < left[place]:
                        found[place] = message.timestamp()[1]
                    left.pop(place, None)
                if not left:
                    break
        return found

    @contextmanager
    def _reading(self, spans: Iterable[Span], *, committed: bool = True) -> Iterator[Iterator[list["Message"]]]:
        from confluent_kafka import Consumer, TopicPartition  # noqa: PLC0415 - as above

        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap_servers,
                "group.id": f"doctor-{uuid4().hex}",  # joined by nobody: the client wants a name
                "isolation.level": "read_committed" if committed else "read_uncommitted",
                # A start that retention has deleted must be an error: by default it would be the partition's end.
                "auto.offset.reset": "error",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,  # an end is told only when the broker answers, half a second by default
                "queued.max.messages.kbytes": _QUEUED_KIB,
                "log_level": 0,
            }
        )
        try:
            consumer.assign([TopicPartition(*span.place, span.start) for span in spans])
            yield self._batches(consumer)
        finally:
            consumer.close()

    def _batches(self, consumer: "Consumer") -> Iterator[list["Message"]]:
        from confluent_kafka import KafkaError  # noqa: PLC0415 - as above

        heard_at = monotonic()
        while True:
            with self._translated():
                # It waits until it has so many or the time is over, whatever is there already.
                messages = consumer.consume(_RECORDS_AT_ONCE, _GATHERED_S)
            for message in messages:
                error = message.error()
                if error is None or error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its name
                    continue
                if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001 - as above
                    where = f"{message.topic()}/{message.partition()}"
                    raise KafkaUnreachable(f"{where}: retention deleted what was just to be read; try again")
                raise KafkaUnreachable(f"Kafka at {self._bootstrap_servers}: {error.str()}")
            if messages:
                heard_at = monotonic()
                yield messages
            elif monotonic() - heard_at > _SILENT_S:
                raise KafkaUnreachable(f"Kafka at {self._bootstrap_servers}: silent for {_SILENT_S:g} s")

    def _ends(self, places: Sequence[Place], *, committed: bool = True) -> dict[Place, int]:
        """Where partitions end: for those who read what is committed, or in truth."""
        from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]  # noqa: PLC0415 - as above

        return self._offsets(places, OffsetSpec.latest(), committed=committed)  # type: ignore[no-untyped-call]  # as above

    def _offsets(self, places: Sequence[Place], spec: object, *, committed: bool = True) -> dict[Place, int]:
        from confluent_kafka import IsolationLevel, TopicPartition  # noqa: PLC0415 - as above

        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        with self._translated():
            answers = self._admin.list_offsets(
                {TopicPartition(*place): spec for place in places},  # type: ignore[misc]  # its own type
                isolation_level=isolation,
                request_timeout=_TIMEOUT_S,
            )
            return {Place(at.topic, at.partition): one.result(_TIMEOUT_S).offset for at, one in answers.items()}

    @contextmanager
    def _translated(self) -> Iterator[None]:
        from confluent_kafka import KafkaException  # noqa: PLC0415 - as above

        try:
            yield
        except (KafkaException, TimeoutError) as error:
            reason = error.args[0].str() if isinstance(error, KafkaException) else "no answer in time"
            raise KafkaUnreachable(
                f"Kafka at {self._bootstrap_servers}: {reason}; check that it runs and BEAAS_KAFKA_BOOTSTRAP_SERVERS"
            ) from error


def _met(message: "Message") -> tuple[Place, int, bool]:
    """Where a message stands, and whether it only says that the partition ends there."""
    place = Place(message.topic() or "", message.partition() or 0)
    return place, message.offset() or 0, message.error() is not None
