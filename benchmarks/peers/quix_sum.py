"""The fold of `rating, one sum meter` in Quix Streams: the sum of one property for each key, with state and changelog.

No dedupe, at least once. It runs in an environment of its own; the decoder is beaas's, as decoding is not what is
compared. Arguments: bootstrap servers, topic, usage records in it, records left out of the figures, the frame of usage
in hex, property, state directory, commit interval in seconds.
"""

import sys
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
from quixstreams import Application  # type: ignore[import-not-found]  # it stands in an environment of its own

from benchmarks.measured import Measured
from schemas.usage_wire import read_usage

PAGE_BYTES = 4096


class Fold:
    """Adds, and measures itself."""

    def __init__(self, measured: str, skip: int) -> None:
        self._property, self._skip = measured, skip
        self.seen = 0
        self.wall_s = self.cpu_s = 0.0

    def add(self, value: bytes, state: Any) -> None:
        """The key's sum has this usage in it."""
        if self.seen == self._skip:
            self.wall_s, self.cpu_s = time.perf_counter(), time.process_time()
        self.seen += 1
        usage = read_usage(value)
        assert usage is not None  # noqa: S101 - what the bench itself has written
        state.set("sum", state.get("sum", 0) + int(usage.properties[self._property]))

    def measured(self) -> Measured:
        """From the first record that counts until now."""
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return Measured(
            records=self.seen - self._skip,
            wall_s=time.perf_counter() - self.wall_s,
            cpu_s=time.process_time() - self.cpu_s,
            memory_bytes=pages * PAGE_BYTES,
        )


def main(given: list[str]) -> None:
    """Folds the whole topic once."""
    servers, topic, records, skip, frame, measured, state_dir, commit_s = given
    app = Application(
        broker_address=servers,
        consumer_group=f"quix-{uuid4()}",
        auto_offset_reset="earliest",
        state_dir=state_dir,
        commit_interval=float(commit_s),
        loglevel="ERROR",
    )
    fold, framed = Fold(measured, int(skip)), bytes.fromhex(frame)
    frames = app.dataframe(app.topic(topic, key_deserializer="bytes", value_deserializer="bytes"))
    usage = frames.filter(lambda value: value[: len(framed)] == framed)
    usage.update(fold.add, stateful=True)
    app.run(count=int(records), timeout=60, collect=False)  # ends with a commit, which counts
    if fold.seen != int(records):
        sys.exit(f"{fold.seen} of {records} records were folded")
    print(msgspec.json.encode(fold.measured()).decode())


if __name__ == "__main__":
    main(sys.argv[1:])
