"""How fast each stage ran: samples of the roles' own metrics, over the time in which they had something to do."""

import asyncio
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich import box
from rich.console import RenderableType
from rich.table import Table

INTERVAL_S: Final = 0.25
FOLDED: Final = "beaas_batch_records_folded_total"
STAGES: Final = {
    "intake-1": FOLDED,
    "rating-1": FOLDED,
    "sinks-1": FOLDED,
    "relay-0": "beaas_relay_published_total",
}


@dataclass(slots=True)
class Stage:
    """One role's counts so far."""

    records: float = 0.0
    cpu_s: float = 0.0
    busy_s: float = 0.0
    busy_cpu_s: float = 0.0
    _at: float = field(default=0.0, repr=False)

    def sample(self, records: float, cpu_s: float, now: float) -> None:
        """Takes a reading; time in which nothing was folded counts as idle."""
        if self._at and records > self.records:
            self.busy_s += now - self._at
            self.busy_cpu_s += cpu_s - self.cpu_s
        self.records, self.cpu_s, self._at = records, cpu_s, now


async def watch(data_dir: Path, stages: dict[str, Stage]) -> None:
    """Samples every stage until cancelled."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        while True:
            for role, metric in STAGES.items():
                await _sample(session, data_dir / "health" / f"{role}.json", metric, stages.setdefault(role, Stage()))
            await asyncio.sleep(INTERVAL_S)


async def _sample(session: aiohttp.ClientSession, announced: Path, metric: str, stage: Stage) -> None:
    try:
        url = json.loads(announced.read_text())["url"]
        async with session.get(f"{url}/metrics") as response:
            text = await response.text()
    except (OSError, ValueError, aiohttp.ClientError, TimeoutError):
        return  # the role is starting or restarting: the next sample counts
    values = {metric: 0.0, "process_cpu_seconds_total": 0.0}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name in values:
                values[sample.name] += sample.value
    stage.sample(values[metric], values["process_cpu_seconds_total"], time.monotonic())


def table(stages: dict[str, Stage]) -> RenderableType:
    """Events per second of each stage while it was busy, and per second of its own CPU time."""
    shown = Table(title="Stages", box=box.SIMPLE_HEAD, title_justify="left")
    shown.add_column("stage")
    for heading in ("records", "busy s", "records/s", "CPU s", "records/CPU s"):
        shown.add_column(heading, justify="right")
    for role, stage in stages.items():
        shown.add_row(
            role.rpartition("-")[0],
            f"{stage.records:,.0f}",
            f"{stage.busy_s:.1f}",
            f"{stage.records / stage.busy_s:,.0f}" if stage.busy_s else "",
            f"{stage.busy_cpu_s:.1f}",
            f"{stage.records / stage.busy_cpu_s:,.0f}" if stage.busy_cpu_s else "",
        )
    return shown
