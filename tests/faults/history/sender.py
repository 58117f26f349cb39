"""Usage to Kafka by several idempotent producers, each record until it is acknowledged."""

import asyncio
import contextlib
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from time import monotonic
from typing import Any, Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.faults.history.log import HistoryLog, Sent
from tests.faults.history.steps import Send
from tests.faults.history.wire import Writer

MOST_OUTSTANDING: Final = 5_000
_LOOK_EACH_S: Final = 0.5
_AGAIN_AFTER_S: Final = 0.5
_STOP_WITHIN_S: Final = 5.0
_MAX_REQUEST_BYTES: Final = 4_000_000


@dataclass(slots=True, eq=False)
class Record:
    """One record on its way: `first` is its first attempt."""

    send: Send
    value: bytes | None
    key: bytes | None
    first: int = 0
    acknowledged: bool = False


@dataclass(slots=True, eq=False)
class _Attempt:
    number: int
    record: Record
    deadline: float


@dataclass(slots=True, eq=False)
class Crowd:
    """How many records of one tenant are outstanding."""

    outstanding: int = 0
    none: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.none.set()

    def add(self) -> None:
        """One more."""
        self.outstanding += 1
        self.none.clear()

    def remove(self) -> None:
        """One less."""
        self.outstanding -= 1
        if not self.outstanding:
            self.none.set()


class Sender:
    """Sends records; one whose fate is unknown after `acknowledge_within_s` is sent again under the same id."""

    def __init__(  # noqa: PLR0913 - where to, how written, where noted
        self, servers: str, topic: str, writer: Writer, log: HistoryLog, *, producers: int, acknowledge_within_s: float
    ) -> None:
        self._servers, self._topic, self._writer, self._log = servers, topic, writer, log
        self._within_s = acknowledge_within_s
        self._producers: list[AIOKafkaProducer | None] = [None] * producers
        self._turns = [asyncio.Lock() for _ in range(producers)]
        self._outstanding: dict[int, _Attempt] = {}
        self._room = asyncio.Semaphore(MOST_OUTSTANDING)
        self._again: asyncio.Queue[Record] = asyncio.Queue()
        self._crowds: dict[str, Crowd] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.acknowledged = 0
        """How many records are, each counted once."""

    async def start(self) -> None:
        """Ready to send."""
        self._tasks = [asyncio.create_task(self._watch()), asyncio.create_task(self._send_again())]

    async def stop(self) -> None:
        """No connection is open; what is outstanding stays unknown."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for place in range(len(self._producers)):
            await self._drop(place)

    def crowd(self, tenant: str) -> Crowd:
        """The tenant's outstanding records."""
        return self._crowds.setdefault(tenant, Crowd())

    async def send(self, send: Send) -> None:
        """The record is with a producer, and will be acknowledged some time."""
        await self._room.acquire()
        account = f"{send.tenant}/{send.content.customer}".encode()
        value = self._writer.value(send)
        record = Record(send, value, account if send.keyed or value is None else None)
        self.crowd(send.tenant).add()
        await self._attempt(record)

    async def _attempt(self, record: Record) -> None:
        number = self._log.invoke(sent=_told(record), first=record.first)
        record.first = record.first or number
        attempt = self._outstanding[number] = _Attempt(number, record, monotonic() + self._within_s)
        headers = [("n", f"{self._log.seed}/{number}".encode())]
        try:
            producer = await self._producer(record.send.producer)
            delivery = await producer.send(self._topic, record.value, record.key, headers=headers)
        except (KafkaError, OSError, AssertionError) as error:  # aiokafka asserts that nobody closed it
            await self._drop(record.send.producer)
            self._failed(attempt, error)
        else:
            delivery.add_done_callback(partial(self._delivered, attempt))

    def _delivered(self, attempt: _Attempt, delivery: "asyncio.Future[Any]") -> None:
        error = asyncio.CancelledError() if delivery.cancelled() else delivery.exception()
        if error is not None:
            self._failed(attempt, error)
            return
        stands = delivery.result()
        self._log.acknowledged(attempt.number, stands.partition, stands.offset)
        self._outstanding.pop(attempt.number, None)
        record = attempt.record
        if not record.acknowledged:
            record.acknowledged = True
            self.acknowledged += 1
            self.crowd(record.send.tenant).remove()
            self._room.release()

    def _failed(self, attempt: _Attempt, error: BaseException) -> None:
        """Nobody knows; where this was found out before, it is known that nobody knows."""
        if self._outstanding.pop(attempt.number, None) is not None:
            self._log.outcome(attempt.number, "info", f"{type(error).__name__}: {error!s:.200}")
            if not attempt.record.acknowledged:
                self._again.put_nowait(attempt.record)

    async def _watch(self) -> None:
        """What takes too long counts as unknown; it may still be acknowledged."""
        while True:
            await asyncio.sleep(_LOOK_EACH_S)
            now = monotonic()
            for attempt in [one for one in self._outstanding.values() if one.deadline < now]:
                self._failed(attempt, TimeoutError(f"not acknowledged within {self._within_s:g} s"))

    async def _send_again(self) -> None:
        while True:
            record = await self._again.get()
            await asyncio.sleep(_AGAIN_AFTER_S / (1 + self._again.qsize()))
            if not record.acknowledged:
                await self._attempt(record)

    async def _producer(self, place: int) -> AIOKafkaProducer:
        async with self._turns[place]:
            known = self._producers[place]
            if known is not None and not _is_dead(known):
                return known
            if known is not None:
                await self._stop(known)
            made = self._producers[place] = AIOKafkaProducer(
                bootstrap_servers=self._servers,
                client_id=f"history-{place}",
                acks="all",
                enable_idempotence=True,
                linger_ms=5,
                max_request_size=_MAX_REQUEST_BYTES,
            )
            try:
                await made.start()
            except BaseException:
                self._producers[place] = None
                await self._stop(made)
                raise
            return made

    async def _drop(self, place: int) -> None:
        async with self._turns[place]:
            known, self._producers[place] = self._producers[place], None
            if known is not None:
                await self._stop(known)

    async def _stop(self, producer: AIOKafkaProducer) -> None:
        with contextlib.suppress(KafkaError, OSError, TimeoutError):
            await asyncio.wait_for(producer.stop(), _STOP_WITHIN_S)


def _is_dead(producer: AIOKafkaProducer) -> bool:
    """Whether its sender has given up: the broker called the producer's numbers out of order, or fenced it."""
    task = producer._sender.sender_task  # aiokafka does not say it otherwise
    return producer._closed or (task is not None and task.done())


def _told(record: Record) -> Sent:
    send, value = record.send, record.value
    return Sent(
        tenant=send.tenant,
        digest="" if value is None else digest_of(value),
        key=None if record.key is None else record.key.decode(),
        content=send.content,
        plant=send.plant,
        reason=send.reason,
    )


def digest_of(value: bytes) -> str:
    """What a history has in the place of the bytes."""
    return blake2b(value, digest_size=16).hexdigest()
