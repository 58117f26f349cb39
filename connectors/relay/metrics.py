"""What a relay shows to Prometheus."""

from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_BATCH_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)


class RelayMetrics:
    """The metrics of all shards of one process, labelled by shard number; made once for each registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        shard = ["shard"]
        self.lag_bytes = Gauge(
            "beaas_relay_lag_bytes",
            "Log written since the confirmed position, of all tables.",
            shard,
            registry=registry,
        )
        self.safe_wal_bytes = Gauge(
            "beaas_relay_safe_wal_bytes",
            "Log that may be written before the slot is in danger.",
            shard,
            registry=registry,
        )
        self.oldest_unconfirmed_seconds = Gauge(
            "beaas_relay_oldest_unconfirmed_seconds",
            "Age of the oldest event that was read and is not confirmed; 0 if there is none.",
            shard,
            registry=registry,
        )
        self.published = Counter(
            "beaas_relay_published", "Events that the bus has acknowledged.", shard, registry=registry
        )
        self.rebuilt = Counter(
            "beaas_relay_rebuilt", "How often the shard's slot was rebuilt from the table.", shard, registry=registry
        )
        self.pruned = Counter(
            "beaas_relay_pruned", "Confirmed rows that were deleted from the table.", shard, registry=registry
        )
        self.batch_seconds = Histogram(
            "beaas_relay_batch_seconds",
            "From handing a batch to the bus to its acknowledgement.",
            shard,
            buckets=_BATCH_BUCKETS_S,
            registry=registry,
        )

    def of(self, shard: int) -> "ShardMetrics":
        """Returns the metrics of one shard."""
        return ShardMetrics(
            lag_bytes=self.lag_bytes.labels(shard),
            safe_wal_bytes=self.safe_wal_bytes.labels(shard),
            oldest_unconfirmed_seconds=self.oldest_unconfirmed_seconds.labels(shard),
            published=self.published.labels(shard),
            rebuilt=self.rebuilt.labels(shard),
            pruned=self.pruned.labels(shard),
            batch_seconds=self.batch_seconds.labels(shard),
        )


@dataclass(frozen=True, slots=True)
class ShardMetrics:
    """One shard's metrics; what each counts is said in `RelayMetrics`."""

    lag_bytes: Gauge
    safe_wal_bytes: Gauge
    oldest_unconfirmed_seconds: Gauge
    published: Counter
    rebuilt: Counter
    pruned: Counter
    batch_seconds: Histogram
