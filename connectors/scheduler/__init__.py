"""What falls due by itself, and how commands reach the journal: one leader, every step a row."""

from connectors.scheduler.barrier import KafkaBarrier, UsageBarrier
from connectors.scheduler.loop import run_scheduler
from connectors.scheduler.metrics import SchedulerMetrics
from connectors.scheduler.rounds import Round, Rounds

__all__ = ["KafkaBarrier", "Round", "Rounds", "SchedulerMetrics", "UsageBarrier", "run_scheduler"]
