"""Minutes each, so only where BEAAS_LONG_TESTS=1 asks for them: the whole year under kills, and `up` twice."""

import asyncio
import itertools
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psycopg
import pytest

from connectors.embedded.environment import read_environment
from connectors.embedded.errors import NotRunningError
from streams.cli.roles import ROLES
from tests.pipeline import oracle
from tests.pipeline.books import instants, write_catalogue, write_usage
from tests.pipeline.flights import flights, tariff
from tests.support.commands import BEAAS, run_to_end
from tests.support.pipeline import until

pytestmark = [
    pytest.mark.skipif(os.environ.get("BEAAS_LONG_TESTS") != "1", reason="takes minutes: BEAAS_LONG_TESTS=1"),
    pytest.mark.timeout(1800),
]
KILL_EVERY_S = 4.0
JANUARY, FEBRUARY, MARCH = instants("2013-01-01T05:00:00Z", "2013-02-01T05:00:00Z", "2013-03-01T05:00:00Z")


def role_pid(data_dir: Path, role: str) -> int | None:
    """The process of a role under `up`, if it runs."""
    try:
        record = msgspec.json.decode((data_dir / "run" / f"role-{role}.json").read_bytes())
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return int(record["incarnation"]["pid"])


async def test_a_year_of_flights_is_right_whatever_is_killed_every_few_seconds(servers_path: Path) -> None:
    data_dir = servers_path / "servers"
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "examples.flights", "--data-dir", str(data_dir),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    reading = asyncio.create_task(demo.communicate())
    killed = dict.fromkeys(ROLES, 0)
    for role in itertools.cycle(ROLES):
        await asyncio.wait({reading}, timeout=KILL_EVERY_S)  # a crash comes at any time: this is the claim, no waiting
        if reading.done():
            break
        pid = role_pid(data_dir, role)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed[role] += 1
    output = (await reading)[0].decode()
    assert demo.returncode == 0, output
    assert "455 of 455 invoices equal" in output
    assert "the trial balance is zero" in output
    assert min(killed.values()) >= 3, killed


@asynccontextmanager
async def up(data_dir: Path) -> AsyncIterator[dict[str, str]]:
    """`beaas up` runs while the block does; yields what `beaas env` says."""
    running = await asyncio.create_subprocess_exec(
        *BEAAS, "up", "--data-dir", str(data_dir), stdout=asyncio.subprocess.DEVNULL
    )

    async def serves() -> bool:
        assert running.returncode is None
        try:
            return bool(read_environment(data_dir))
        except NotRunningError:
            return False

    try:
        await until(serves, "`beaas up`", 120)
        yield dict(read_environment(data_dir))
    finally:
        running.terminate()
        assert await running.wait() == 0


async def beaas(environment: dict[str, str], *arguments: str | Path) -> str:
    ran = await run_to_end(*BEAAS, *arguments, variables=environment, within_s=200)
    assert ran.status == 0, (arguments, ran)
    return ran.out


async def test_a_second_up_on_the_same_directory_goes_on_where_the_first_stopped(
    servers_path: Path, tmp_path: Path
) -> None:
    data_dir = servers_path / "servers"
    tenant = tariff(periods=2)["JFK"]
    batches = [
        [event for origin, event in flights(*span, arrived=span[0], every=5) if origin == "JFK"]
        for span in ((JANUARY, FEBRUARY), (FEBRUARY, MARCH))
    ]
    half = len(batches[0]) // 2
    parts = [batches[0][:half], batches[0][half:], batches[1]]
    files = [write_usage(tmp_path / f"{n}.csv", [("JFK", event) for event in part]) for n, part in enumerate(parts)]
    async with up(data_dir) as environment:
        await beaas(environment, "apply", write_catalogue(tmp_path / "jfk.yaml", tenant))
        await beaas(environment, "usage", "send", files[0])
    async with up(data_dir) as environment:
        await beaas(environment, "usage", "send", files[1])
        await beaas(environment, "clock", "set", "JFK", FEBRUARY.isoformat(), "--wait", "--timeout", "120")
    async with up(data_dir) as environment:
        await beaas(environment, "usage", "send", files[2])
        await beaas(environment, "clock", "set", "JFK", MARCH.isoformat(), "--wait", "--timeout", "120")
        found = totals_in(environment)
    expected = oracle.invoices(tenant, [event for part in parts for event in part], MARCH)
    assert found == sorted((one.subscription, one.issued_at, one.total) for one in expected)


def totals_in(environment: dict[str, str]) -> list[tuple[object, ...]]:
    with psycopg.connect(environment["BEAAS_POSTGRES_URL"]) as connection:
        return sorted(connection.execute("SELECT subscription, issued_at, total FROM report.invoices").fetchall())
