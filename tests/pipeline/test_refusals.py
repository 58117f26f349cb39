"""What a command says when it cannot do what it was told."""

import asyncio
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from billing.entry import CustomerId, QuantityChanged, SubscriptionId, TenantId
from billing.instant import micros
from connectors.postgres.unit_of_work import unit_of_work
from connectors.services import journal
from streams.app import codec_of, outbox_of, service_pool
from tests.support.commands import Ran
from tests.support.pipeline import Pipeline

TENANT = """\
tenants:
- code: REFUSED
  currency: USD
  timezone: UTC
  test_clock: '2026-01-01T00:00:00Z'
  meters:
  - {code: calls, event: call, aggregation: count}
  plans:
  - code: p
    billing_period: P1M
    prices:
    - {code: calls, type: usage, meter: calls, model: per_unit, unit_amount: '1'}
  customers:
  - {code: c}
  subscriptions:
  - {code: s, customer: c, plan: p, start: '2026-01-01T00:00:00Z'}
"""
MISTAKES = {
    "unknown currency": ("currency: USD", "currency: USDT", 3, "tenants[0].currency"),
    "unknown zone": ("timezone: UTC", "timezone: Mars/Olympus", 4, "tenants[0].timezone"),
    "negative price": ("unit_amount: '1'", "unit_amount: '-1'", 12, "tenants[0].plans[0].prices[0].unit_amount"),
    "unknown field": ("aggregation: count", "aggregation: count, colour: red", 7, "tenants[0].meters[0].colour"),
    "unknown meter": ("meter: calls", "meter: cells", 12, "tenants[0].plans[0].prices[0].meter"),
    "no such customer": ("customer: c,", "customer: d,", 16, "tenants[0].subscriptions[0].customer"),
    "no offset": (
        "start: '2026-01-01T00:00:00Z'",
        "start: '2026-01-01T00:00:00'",
        16,
        "tenants[0].subscriptions[0].start",
    ),
    "no YAML": ("- code: p\n", "- code: [p\n", 10, ""),
}
SECRET = "correct-horse"


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_an_apply_file_with_a_mistake_is_refused_whole(mistake: str, pipeline: Pipeline, tmp_path: Path) -> None:
    right, wrong, line, field = MISTAKES[mistake]
    file = tmp_path / "refused.yaml"
    sound = yaml.safe_load(TENANT)["tenants"][0] | {"code": "SOUND"}
    assert right in TENANT
    file.write_text(TENANT.replace(right, wrong) + yaml.safe_dump([sound], sort_keys=False), encoding="utf-8")
    ran = await pipeline.beaas("apply", file)
    assert (ran.status, ran.out) == (2, "")
    assert f"{file}" in ran.err
    assert f"line {line}" in ran.err or f":{line}" in ran.err
    assert field in ran.err
    assert "Traceback" not in ran.err
    assert pipeline.rows("SELECT count(*) FROM beaas.tenants WHERE tenant_id IN ('SOUND', 'REFUSED')") == [(0,)]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Nobody listens there, and nobody else gets it while the test runs."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield int(bound.getsockname()[1])


async def unreachable(pipeline: Pipeline, tmp_path: Path, server: str, port: int) -> dict[str, Ran]:
    """What commands say when a server is not there."""
    file, usage = tmp_path / "sound.yaml", tmp_path / "usage.csv"
    file.write_text(TENANT, encoding="utf-8")
    usage.write_text("tenant,customer,id,type,occurred_at\nREFUSED,c,1,call,2026-01-02T00:00:00Z\n", encoding="utf-8")
    commands: dict[str, tuple[Any, ...]] = {
        "BEAAS_POSTGRES_URL": (("apply", file), ("clock", "set", "REFUSED", "2026-02-01T00:00:00Z"), ("migrate",)),
        "BEAAS_KAFKA_BOOTSTRAP_SERVERS": (("usage", "send", usage),),
        "BEAAS_SCHEMA_REGISTRY_URL": (("usage", "send", usage), ("schemas", "register")),
    }
    address: dict[str, Any] = {
        "BEAAS_POSTGRES_URL": f"postgresql://beaas:{SECRET}@127.0.0.1:{port}/beaas",
        "BEAAS_KAFKA_BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
        "BEAAS_SCHEMA_REGISTRY_URL": f"http://beaas:{SECRET}@127.0.0.1:{port}",
    }
    ran = [pipeline.beaas(*command, **{server: address[server]}) for command in commands[server]]
    return dict(zip(map(str, commands[server]), await asyncio.gather(*ran), strict=True))


@pytest.mark.parametrize("server", ["BEAAS_POSTGRES_URL", "BEAAS_KAFKA_BOOTSTRAP_SERVERS", "BEAAS_SCHEMA_REGISTRY_URL"])
async def test_a_server_that_is_not_there_is_one_clear_line(
    server: str, closed_port: int, pipeline: Pipeline, tmp_path: Path
) -> None:
    for command, ran in (await unreachable(pipeline, tmp_path, server, closed_port)).items():
        assert ran.status == 3, (command, ran)
        assert ran.err.startswith("beaas: "), (command, ran)
        assert ran.err.count("\n") == 1, (command, ran)
        assert SECRET not in ran.err + ran.out, command


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("no-such-command",), "no-such-command"),
        (("apply",), "requires an argument"),
        (("apply", "/no/such/file.yaml"), "/no/such/file.yaml"),
        (("usage", "send", "/no/such/file.csv"), "/no/such/file.csv"),
        (("worker", "juggling"), "juggling"),
        (("clock", "set", "NOBODY", "2026-02-01T00:00:00Z"), "NOBODY"),
        (("clock", "set", "NOBODY", "2026-02-01T00:00:00"), "offset"),
        (("usage", "send", "x.csv", "--rate", "fast"), "fast"),
        (("usage", "send", "x.csv", "--map", "tenant_id"), "FIELD=COLUMN"),
        (("relay", "--shards", "7"), "7"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
async def test_wrong_arguments_are_named_and_exit_with_2(
    arguments: tuple[str, ...], named: str, pipeline: Pipeline
) -> None:
    ran = await pipeline.beaas(*arguments)
    assert (ran.status, named in ran.err + ran.out, "Traceback" in ran.err) == (2, True, False), ran


async def give(pipeline: Pipeline, tenant: str, price: str, at: datetime) -> None:
    """The quantity of a price changes, whatever the services would say to it: the journal is the judge."""
    command = QuantityChanged(
        tenant=TenantId(tenant),
        customer=CustomerId("c"),
        subscription=SubscriptionId("s"),
        command_id=str(uuid4()),
        correlation_id="",
        at_us=micros(at),
        price=price,
        quantity="2",
    )
    settings = pipeline.settings
    async with (
        service_pool(settings, "test", 1) as pool,
        unit_of_work(pool, None, outbox=outbox_of(settings, codec_of(settings))) as work,
    ):
        await journal.append(work, [command])


async def test_a_command_that_the_journal_refused_is_told_to_who_waits_for_it(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    file = tmp_path / "judged.yaml"
    file.write_text(TENANT.replace("REFUSED", "JUDGED"), encoding="utf-8")
    await pipeline.ok("apply", file)
    await pipeline.settle("JUDGED", "2026-01-01T00:00:00Z")
    await give(pipeline, "JUDGED", "seats", datetime(2026, 1, 1, tzinfo=UTC))
    ran = await pipeline.beaas("clock", "set", "JUDGED", "2026-01-02T00:00:00Z", "--wait", "--timeout", "150")
    why = "the plan has no recurring price 'seats'; it has none"
    told = f"beaas: JUDGED: QuantityChanged of s at 2026-01-01T00:00:00Z was refused: {why}\n"
    assert (ran.status, ran.out, ran.err) == (1, "", told)
    await pipeline.settle("JUDGED", "2026-02-01T00:00:00Z")  # it goes on: what was told is not told for ever
