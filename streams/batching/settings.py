"""What an operator may change about the batch transport."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSettings:
    """Settings of one worker; the defaults are the measured ones."""

    bootstrap_servers: str
    """Kafka's `host:port` list."""
    instance: str
    """Static member id: stable over restarts and unique in the group, so that a quick restart moves no partition."""
    data_dir: Path
    """Local tables stand in `<data_dir>/<app id>/<instance>`; safe to delete while the worker is down."""
    store: str = "rocksdb://"
    """`rocksdb://`, or `memory://`, which restores everything at each start."""
    replication_factor: int = 1
    """Of the changelogs that the worker creates; 3 in production."""

    flush_interval_s: float = 0.1
    """Between a partition's flushes: a folded record waits for its transaction at most this long (and the transaction's
    own time), and not at all where the last flush was longer ago; the more records wait to be folded, the longer …"""
    flush_behind_s: float = 10.0
    """… and the longest it waits. Much of a flush costs by the changed key, so the longer it is the less each record
    pays (rating with 10,000 accounts: 47,000 records a CPU second, 39,000 at 3 s). What a crash then folds again is as
    much."""
    flush_max_records: int = 50_000
    """A flush comes early once so many records are folded …"""
    flush_max_bytes: int = 32 << 20
    """… or so many bytes of values. While so many bytes of a partition wait to be folded, compressed as they came, no
    more of it are fetched."""
    fetch_max_records: int = 5_000
    """While a partition has so many offsets to fold, no more of it is fetched."""
    fetch_max_bytes: int = 1 << 20
    """What the broker sends for one partition in one response (a larger single record still comes)."""
    linger_s: float = 0.02
    """Pause after a small fetch: the cost is per fetch then. Measured at 2,000 records/s, 10 ms save a third; 20 ms in
    place of 10 save a tenth of intake at 32,000/s."""

    batch_max_bytes: int = 900_000
    """Records are packed into producer batches of this size, under the broker's default limit of 1 MiB."""
    record_max_bytes: int = 8 << 20
    """A larger record is a defect of the fold; the topics must allow as much (`max.message.bytes`)."""
    compression: str | None = None
    """`gzip`, or with the packages for it `lz4`, `snappy`, `zstd`."""

    session_timeout_s: float = 10.0
    """Silence after which another member gets this one's partitions."""
    rebalance_timeout_s: float = 10.0
    """How long a rebalance waits for a member; half of it is there for the last flush."""
    transaction_timeout_s: float = 60.0
    """How long a dead worker's open transaction may hold readers back when nobody takes its partitions over."""
    restore_stall_s: float = 60.0
    """A restore that reads nothing for so long ends the worker."""
    stop_timeout_s: float = 30.0
    """A graceful stop that takes longer ends with status 70."""
