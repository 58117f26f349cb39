"""`beaas` whose redrive dies by SIGKILL at the step $DIES, or marks in a second transaction (the planted bug).

It makes the file $READS once it has read its first letter or marker.
"""

import os
import signal
import sys
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from confluent_kafka import Message

import streams.redrive.topic
import streams.redrive.transaction
from schemas.letters import PlacedRecord
from schemas.records import DeadLetterRedriven
from streams.cli import main
from streams.redrive.topic import LetterTopic
from streams.redrive.transaction import Redriver
from streams.redrive.verdict import PutBack

DIES = os.environ.get("DIES", "")
READS = os.environ.get("READS", "")
MARKS_LATER = os.environ.get("PLANTED") == "marks in a second transaction"


class DyingRedriver(Redriver):
    """Dies where it is told to."""

    def begin(self) -> None:
        """It has fenced the others."""
        super().begin()
        die("begun")

    def _produce(self, batch: Sequence[PutBack]) -> list[Message]:
        die("before produce")
        written = super()._produce(batch)
        die("after produce")
        if MARKS_LATER:
            self._commit()
            die("between its transactions")
            self._producer.begin_transaction()
        return written

    def _mark(self, batch: Sequence[PutBack], written: Sequence[Message]) -> list[DeadLetterRedriven]:
        markers = super()._mark(batch, written)
        self._producer.flush()
        die("after mark")
        return markers

    def _commit(self) -> None:
        super()._commit()
        die("after commit")


class TellingTopic(LetterTopic):
    """Says that it is being read."""

    def records(self, starts: Mapping[int, int]) -> Generator[PlacedRecord, None, None]:
        """See `LetterTopic.records`."""
        for record in super().records(starts):
            if READS:
                Path(READS).touch()
            yield record


def die(step: str) -> None:
    """It is killed here, if here is where it dies."""
    if step == DIES:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    vars(streams.redrive.topic)["LetterTopic"] = TellingTopic
    vars(streams.redrive.transaction)["Redriver"] = DyingRedriver
    main()
