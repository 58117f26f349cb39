"""The command `beaas doctor`: every invariant and every lag of the running system."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.table import Table

from streams.cli.commands import progress_bar, reached_postgres
from streams.cli.failures import FAILED, WELL
from streams.cli.tables import console

if TYPE_CHECKING:
    from collections.abc import Callable

    from connectors.audit.lags import Group
    from connectors.audit.verdicts import Examination, Verdict
    from streams.settings import Settings


async def run_doctor(settings: Settings, *, tenant: str | None, fast: bool, within_s: int | None, as_json: bool) -> int:
    """Examines the system, tells what was found, and returns 1 where anything was."""
    with progress_bar() as bar:
        task = bar.add_task("examining", total=None, note="facts")
        examination = await examined(
            settings, tenant=tenant, fast=fast, within_s=within_s, advance=lambda read: bar.advance(task, read)
        )
    if as_json:
        sys.stdout.write(json.dumps(plain(examination)) + "\n")
    else:
        show(examination)
    return WELL if examination.sound else FAILED


async def examined(
    settings: Settings,
    *,
    tenant: str | None = None,
    fast: bool = False,
    within_s: int | None = None,
    advance: Callable[[int], None] = lambda _: None,
) -> Examination:
    """Returns what the invariants find in the system that the settings name.

    Raises:
        Exception: of a server that does not answer, or an unknown tenant; each has its exit status.
    """
    from connectors.audit.examine import Subject, examine
    from connectors.kafka.scan import Kafka
    from connectors.postgres.pool import Role, open_pool
    from connectors.registry.client import Registry, lookup_ids
    from schemas.codec import Codec

    url, prefix = settings.postgres_url.get_secret_value(), settings.topic_prefix
    ids = lookup_ids(settings.schema_registry_url, prefix)
    with Registry(settings.schema_registry_url) as registry:
        async with (
            reached_postgres(settings, "doctor", size=2) as service,
            open_pool(url, Role.API, application_name="beaas doctor", size=1) as api,
        ):
            subject = Subject(
                service=service,
                api=api,
                kafka=Kafka(settings.kafka_bootstrap_servers),
                codec=Codec(ids, registry, prefix=prefix),
                postgres_url=url,
                prefix=prefix,
                groups=groups_of(settings),
                relay_shards=settings.relay_shards,
                outbox_kept=timedelta(hours=settings.outbox_retention_hours),
                close_grace=timedelta(seconds=settings.close_grace_seconds),
                tenant=tenant,
                within_s=within_s,
                fast=fast,
            )
            return await examine(subject, advance)


def groups_of(settings: Settings) -> dict[str, Group]:
    """Returns the consumer group of each topic that has one, by the topic's name."""
    from connectors.audit.lags import Group
    from schemas import topics
    from streams.agents.groups import intake_group, rating_group, sink_group
    from streams.batching.tables import changelog

    prefix = settings.topic_prefix
    names = {
        topics.USAGE: (intake_group(prefix), "position"),
        topics.JOURNAL: (rating_group(prefix), "accounts"),
        **{
            topic: (sink_group(prefix, topic.name), "position")
            for topic in (topics.STATEMENTS, topics.USAGE_TOTALS, topics.DEAD_LETTERS)
        },
    }
    return {
        topic.name: Group(name, topic.full_name(prefix), changelog(name, home)) for topic, (name, home) in names.items()
    }


def plain(examination: Examination) -> dict[str, Any]:
    """Returns all of it for a script."""
    return {
        "sound": examination.sound,
        "invariants": [
            {
                "id": one.invariant.id,
                "title": one.invariant.title,
                "facts": one.facts,
                "findings": one.found,
                "unjudged": one.unjudged,
            }
            for one in examination.verdicts.values()
        ],
        "findings": [
            {"invariant": f.invariant, "tenant": f.tenant, "subject": f.subject, "detail": f.detail}
            for one in examination.verdicts.values()
            for f in one.findings
        ],
        "lags": [lag._asdict() for lag in examination.lags],
        "dead_letters": [
            {"tenant": one.tenant, "reason": one.reason, "letters": one.letters} for one in examination.letters
        ],
        "notes": examination.notes,
    }


def show(examination: Examination) -> None:
    """Tells people."""
    out = console()
    out.print(_invariants(examination))
    out.print(_lags(examination))
    if examination.letters:
        out.print(_letters(examination))
    for note in examination.notes:
        out.print(note)
    for one in examination.verdicts.values():
        for finding in one.findings:
            whose = f" [{finding.tenant}]" if finding.tenant else ""
            out.print(f"{finding.invariant}{whose} {finding.subject}: {finding.detail}", soft_wrap=True)
        if one.found > len(one.findings):
            out.print(f"{one.invariant.id}: {one.found - len(one.findings)} more")
    found = sum(one.found for one in examination.verdicts.values())
    told = "1 finding." if found == 1 else f"{found} findings."
    out.print("Nothing was found." if examination.sound else told)


def _invariants(examination: Examination) -> Table:
    table = Table("invariant", "says", "facts", "findings", box=None, pad_edge=False)
    for one in examination.verdicts.values():
        table.add_row(one.invariant.id, one.invariant.title, _judged(one), str(one.found or ""))
    return table


def _judged(verdict: Verdict) -> str:
    if not verdict.unjudged:
        return f"{verdict.facts}"
    return f"{verdict.facts}, {verdict.unjudged}" if verdict.facts else verdict.unjudged


def _lags(examination: Examination) -> Table:
    table = Table("who", "behind", "oldest", box=None, pad_edge=False)
    for lag in examination.lags:
        table.add_row(lag.name, f"{lag.behind} {lag.unit}", f"{lag.waited_s} s" if lag.behind else "")
    return table


def _letters(examination: Examination) -> Table:
    table = Table("dead letters of", "reason", "letters", box=None, pad_edge=False)
    for one in examination.letters:
        table.add_row(one.tenant or "-", one.reason, str(one.letters))
    return table
