"""The one writer of a redrive: letters back and their markers, in one transaction."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.codec import Codec
from schemas.letters import REDRIVE_OF
from schemas.records import DeadLetterRedriven
from streams.redrive.errors import RedriveFailed, RedriveFenced
from streams.redrive.verdict import PutBack

TRANSACTION_TIMEOUT_S: Final = 15
"""How long a redrive that died in the middle may hold intake up on the partitions that it wrote to; the next redrive
ends it at once."""
_LARGEST_BYTES: Final = 16 << 20
_COMMIT_TRIES: Final = 3
FENCED: Final = {KafkaError._FENCED, KafkaError.INVALID_PRODUCER_EPOCH, KafkaError.PRODUCER_FENCED}  # noqa: SLF001 - its name
BY_KEY: Final = -1
"""The partition that stands for: the one that the key belongs to."""


class Redriver:
    """Puts letters back. Only one can: whichever began last."""

    def __init__(  # noqa: PLR0913 - where it writes, and what it stamps
        self, bootstrap_servers: str, codec: Codec, *, prefix: str, letters: str, now: Callable[[], datetime], run: str
    ) -> None:
        """Writes markers to the topic `letters`, stamped with this `run` and the time `now`."""
        self._codec, self._letters, self._now, self._run = codec, letters, now, run
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "transactional.id": f"{prefix}redrive",
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_S * 1000,
                "message.timeout.ms": TRANSACTION_TIMEOUT_S * 1000 - 1000,
                "message.max.bytes": _LARGEST_BYTES,
                "partitioner": "murmur2_random",
                "logger": _quiet(),
            }
        )

    def begin(self) -> None:
        """Whoever ran before can commit nothing any more, and what he left open is undone.

        Raises:
            RedriveFailed: Kafka does not answer.
        """
        try:
            self._producer.init_transactions(30)
        except KafkaException as error:
            raise RedriveFailed(f"Kafka: {error.args[0].str()}; nothing was put back") from None

    def put_back(self, batch: Sequence[PutBack]) -> list[DeadLetterRedriven]:
        """All of these stand on their topics again, each with its marker; or, where it raises, none or not known which.

        Raises:
            RedriveFenced: another redrive began; none of these was put back.
            RedriveFailed: Kafka refused, or did not answer.
        """
        try:
            self._producer.begin_transaction()
            markers = self._mark(batch, self._produce(batch))
            self._commit()
        except (KafkaException, BufferError, SystemError) as error:  # a fatal one is raised amid its delivery reports
            raise self._failure(error) from None
        return markers

    def _produce(self, batch: Sequence[PutBack]) -> list[Message]:
        """The letters' bytes are written, in a transaction that is still open; where, the broker has told."""
        written: dict[int, Message] = {}
        refused: list[KafkaError] = []

        def noted(place: int) -> Callable[[KafkaError | None, Message], None]:
            def told(error: KafkaError | None, message: Message) -> None:
                if error is None:
                    written[place] = message
                else:
                    refused.append(error)

            return told

        for place, one in enumerate(batch):
            letter = one.candidate.letter
            headers = [(header.key, header.value) for header in letter.headers if header.key != REDRIVE_OF]
            self._producer.produce(
                one.topic,
                one.value,
                letter.key,
                headers=[*headers, (REDRIVE_OF, str(one.candidate.id).encode())],
                on_delivery=noted(place),
                partition=BY_KEY if one.partition is None else one.partition,
            )
        self._producer.flush(TRANSACTION_TIMEOUT_S)
        if refused:
            raise KafkaException(refused[0])
        if len(written) < len(batch):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))  # noqa: SLF001 - the library's name
        return [written[place] for place in range(len(batch))]

    def _mark(self, batch: Sequence[PutBack], written: Sequence[Message]) -> list[DeadLetterRedriven]:
        """A marker for each letter stands in its partition, in the same transaction."""
        markers = [self._marker(one, message) for one, message in zip(batch, written, strict=True)]
        for one, marker in zip(batch, markers, strict=True):
            self._producer.produce(
                self._letters,
                self._codec.encode(self._letters, marker),
                one.candidate.letter.key,
                partition=one.candidate.id.partition,
            )
        return markers

    def _marker(self, one: PutBack, message: Message) -> DeadLetterRedriven:
        letter, (partition, offset) = one.candidate.letter, (message.partition(), message.offset())
        assert partition is not None
        assert offset is not None
        return DeadLetterRedriven(
            letter_partition=one.candidate.id.partition,
            letter_offset=one.candidate.id.offset,
            reason=letter.reason,
            tenant_id=letter.tenant_id,
            customer_id=letter.customer_id,
            target_topic=one.topic,
            target_partition=partition,
            target_offset=offset,
            edited=one.candidate.edited is not None,
            run_id=self._run,
            redriven_at=self._now(),
        )

    def _commit(self) -> None:
        for tries_left in reversed(range(_COMMIT_TRIES)):
            try:
                self._producer.commit_transaction(TRANSACTION_TIMEOUT_S)
            except KafkaException as error:
                if not (error.args[0].retriable() and tries_left):
                    raise
            else:
                return

    def _failure(self, error: Exception) -> Exception:
        """Undoes what is open, and says what it was: of a fenced writer, that alone tells the true cause."""
        causes = [error]
        try:
            self._producer.abort_transaction(TRANSACTION_TIMEOUT_S)
        except KafkaException as refused:
            causes.append(refused)
        told = [one.args[0] for one in causes if isinstance(one, KafkaException)]
        if any(one.code() in FENCED for one in told):
            return RedriveFenced("another redrive has begun and goes on in place of this one")
        return RedriveFailed(f"Kafka: {told[0].str() if told else error}; run it again")


def _quiet() -> logging.Logger:
    """Returns a log that goes nowhere: librdkafka would write to stderr what the errors here say better."""
    log = logging.getLogger("beaas.redrive.librdkafka")
    log.propagate = False
    log.addHandler(logging.NullHandler())
    return log
