"""What the transport counts; served with the process's other Prometheus metrics."""

from prometheus_client import Counter, Gauge, Histogram

FOLDED = Counter("beaas_batch_records_folded", "Source records folded.", ["app"])
FLUSHES = Counter("beaas_batch_flushes", "Transactions committed.", ["app"])
FLUSHED = Counter("beaas_batch_flush_records", "Records written in transactions, by what they are.", ["app", "kind"])
FLUSH_SECONDS = Histogram(
    "beaas_batch_flush_seconds",
    "From the beginning of a flush to its local store written.",
    ["app"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
REWINDS = Counter("beaas_batch_rewinds", "Times a delivery was lost inside the worker and fetched again.", ["app"])
RESTORED = Counter("beaas_batch_restored_records", "Changelog records read to restore tables.", ["app"])
RESTORE_SECONDS = Gauge("beaas_batch_restore_seconds", "How long the last take-over took.", ["app"])
OWNED = Gauge("beaas_batch_partitions_owned", "Source partitions that this worker folds now.", ["app"])
LAG = Gauge("beaas_batch_lag_records", "Source offsets not flushed yet, as of the last fetch.", ["app", "partition"])
