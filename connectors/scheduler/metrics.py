"""What the scheduler tells Prometheus."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram


class SchedulerMetrics:
    """The scheduler's metrics in a registry; a process has one of these for each registry."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        """Registers the metrics."""
        self.leads = Gauge("beaas_scheduler_leads", "1 while this scheduler is the one that works.", registry=registry)
        self.due_backlog = Gauge(
            "beaas_scheduler_due_backlog", "Subscriptions with something due by their tenant's now.", registry=registry
        )
        self.waiting_at_barrier = Gauge(
            "beaas_scheduler_waiting_at_barrier", "Commands that wait for intake to pass.", registry=registry
        )
        self.fallen_due = Counter(
            "beaas_scheduler_fallen_due", "Steps that fell due and were taken.", registry=registry
        )
        self.released = Counter("beaas_scheduler_released", "Commands released to the journal.", registry=registry)
        self.round_seconds = Histogram(
            "beaas_scheduler_round_seconds",
            "How long a round took.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=registry,
        )
