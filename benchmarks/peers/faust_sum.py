"""The fold of `rating, one sum meter` as one writes it in Faust: an agent, a table, `table[key] += quantity`.

No dedupe, at least once, nothing of beaas in it but the decoder, as decoding is not what is compared. Started as
`faust -A benchmarks.peers.faust_sum:app worker`; what it needs to know stands in the environment.
"""

import os
import time
from pathlib import Path
from typing import Any

import faust
import msgspec

from benchmarks.measured import Measured
from schemas.usage_wire import read_usage

PAGE_BYTES = 4096
RECORDS = int(os.environ["PEER_RECORDS"])
SKIP = int(os.environ["PEER_SKIP"])
FRAME = bytes.fromhex(os.environ["PEER_FRAME"])
PROPERTY = os.environ["PEER_PROPERTY"]
PARTITIONS = int(os.environ["PEER_PARTITIONS"])

app = faust.App(
    os.environ["PEER_ID"],
    broker=f"kafka://{os.environ['PEER_KAFKA']}",
    store=os.environ["PEER_STORE"],
    datadir=os.environ["PEER_STATE"],
    topic_partitions=PARTITIONS,
    topic_replication_factor=1,
    topic_disable_leader=True,
    web_enabled=False,
)
source = app.topic(os.environ["PEER_TOPIC"], key_type=bytes, value_type=bytes, value_serializer="raw")
sums = app.Table("sums", key_type=str, value_type=int, default=int, partitions=PARTITIONS)


@app.agent(source)
async def add(stream: Any) -> None:
    """Adds up what the topic holds, says what that took, and ends the process."""
    seen, wall_s, cpu_s = 0, 0.0, 0.0
    async for event in stream.events():
        if event.value[: len(FRAME)] != FRAME:
            continue
        if seen == SKIP:
            wall_s, cpu_s = time.perf_counter(), time.process_time()
        usage = read_usage(event.value)
        assert usage is not None  # noqa: S101 - what the bench itself has written
        sums[f"{usage.tenant}/{usage.customer}"] += int(usage.properties[PROPERTY])
        seen += 1
        if seen == RECORDS:
            await app.producer.flush()
            _say(seen - SKIP, time.perf_counter() - wall_s, time.process_time() - cpu_s)


def _say(records: int, wall_s: float, cpu_s: float) -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    measured = Measured(records, wall_s, cpu_s, memory_bytes=pages * PAGE_BYTES)
    os.write(1, b"\n" + msgspec.json.encode(measured) + b"\n")  # Faust has made sys.stdout a logger
    os._exit(0)  # a graceful stop takes seconds and is in no figure
