"""The whole examination: in an order in which a system at work is not blamed for what it is just doing.

Whoever is to have been told is asked after whoever tells: positions of consumers, then the ends of topics, then how far
the series of invoices are, then the outbox, then all the rest. So what is found missing was missing.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from billing.invariants import DeadLetterFact
from connectors.audit.books import Books, Moment, judge_periods
from connectors.audit.bus import Bus, name_kinds, unknown_here
from connectors.audit.isolation import isolation_facts
from connectors.audit.lags import (
    Group,
    Standing,
    allowed,
    command_lags,
    group_lag,
    missing_changelogs,
    missing_topics,
    position_facts,
    slot_lags,
    standing,
)
from connectors.audit.scratch import Scratch
from connectors.audit.verdicts import Examination
from connectors.kafka.scan import Kafka, Place, Span
from connectors.postgres.pool import Pool
from connectors.postgres.queries import audit as queries
from schemas import topics
from schemas.codec import REASONS, Codec
from schemas.partition import placement

FAST: Final = "not with --fast: topics are not read"
_ELSEWHERE: Final = {
    "I12": "by the simulation and the fault bench: a worker's tables are its own",
    "I17": "by beaas replay --tenant T --diff",
}
_BY_TOPICS: Final = ("I02", "I07", "I08", "I14", "I16", "I18")
_PARTLY_BY_TOPICS: Final = {
    "I03": "closes without any invoice, invoices without a statement",
    "I13": "the invoicing sink by its invoices",
    "I19": "statements that PostgreSQL can never take",
}


class UnknownTenant(Exception):
    """There is no tenant of this code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined, and how.

    Attributes:
        service: connections of the role that sees all.
        api: connections of the role that sees one tenant.
        groups: intake, rating, and the sinks of statements, totals and dead letters.
        tenant: the only one whose books are read; None: all.
        within_s: how long anything may be behind; None: as each invariant says.
        fast: read no topic.
    """

    service: Pool
    api: Pool
    kafka: Kafka
    codec: Codec
    postgres_url: str
    prefix: str
    groups: Mapping[str, Group]
    relay_shards: int
    outbox_kept: timedelta
    close_grace: timedelta
    tenant: str | None = None
    within_s: int | None = None
    fast: bool = False


def is_own_fault(topic: str, reason: str) -> bool:
    """Whether only beaas can have caused a dead letter of a topic (without its prefix) with this reason.

    Usage comes from others, and what an account refuses is on the journal for them; but intake had read it before.
    """
    return topic != topics.USAGE.name and (topic != topics.JOURNAL.name or reason in REASONS)


async def examine(subject: Subject, advance: Callable[[int], None]) -> Examination:
    """Returns what every invariant that a running system can be judged by finds in it.

    Args:
        subject: the system.
        advance: told how many facts were read.

    Raises:
        KafkaUnreachable: no broker answers.
        psycopg.OperationalError: PostgreSQL does not answer.
        UnknownTenant: there is none of this code.
    """
    scratch = Scratch()
    try:
        return await _Examiner(subject, Examination(), scratch, advance).run()
    finally:
        scratch.close()


@dataclass(slots=True)
class _Examiner:
    subject: Subject
    examination: Examination
    scratch: Scratch
    advance: Callable[[int], None]

    async def run(self) -> Examination:
        subject, judged = self.subject, self.examination
        async with subject.service.connection() as connection:
            moment = await queries.audited_moment(connection)
            placed = await queries.audited_placement(connection, topic_prefix=subject.prefix)
        assert moment is not None
        before = await asyncio.to_thread(self._standings)
        ends = await asyncio.to_thread(self._ends, before.values())
        intake, totals = await asyncio.to_thread(self._again)
        views = await asyncio.to_thread(group_lag, subject.kafka, totals, ends, moment.now)
        async with subject.service.connection() as connection:
            tenants = await queries.audited_tenants(connection, tenant_id=subject.tenant)
        if subject.tenant is not None and not tenants:
            raise UnknownTenant(f"there is no tenant {subject.tenant!r}")
        place = None if placed is None else placement(partitions=placed.partitions, slice_size=placed.tenant_slice)
        noted = Moment(moment.now, subject.outbox_kept, not views.behind, place)
        books = Books(subject.service, self.scratch, judged, noted, self.advance)
        await books.load_outbox(subject.tenant)
        bus = self._bus(ends, before, intake, noted, moment.oldest_at)
        if not subject.fast:
            await asyncio.to_thread(bus.read)
            await name_kinds(subject.service, self.scratch)
            statements = topics.STATEMENTS.full_name(subject.prefix)
            judged.lags += await unknown_here(subject.service, self.scratch, statements)
        await books.examine(tenants)
        judge_periods(self.scratch, judged)
        if not subject.fast:
            bus.judge(within_s=subject.within_s)
        await self._isolation([tenant.tenant_id for tenant in tenants])
        await self._settling(before, ends, moment.now)
        await self._letters()
        self._unjudged(views_current=noted.views_current)
        return judged

    def _standings(self) -> dict[str, Standing]:
        return {name: standing(self.subject.kafka, group) for name, group in self.subject.groups.items()}

    def _again(self) -> tuple[Standing, Standing]:
        kafka, groups = self.subject.kafka, self.subject.groups
        return standing(kafka, groups[topics.USAGE.name]), standing(kafka, groups[topics.USAGE_TOTALS.name])

    def _ends(self, before: Iterable[Standing]) -> dict[Place, Span]:
        known = self.subject.kafka.partitions()
        names = [topic.full_name(self.subject.prefix) for topic in topics.TOPICS]
        self.examination.lags += [*missing_topics(known, names), *missing_changelogs(known, before)]
        places = [Place(name, partition) for name in names for partition in known.get(name, [])]
        return self.subject.kafka.spans(places) if places else {}

    def _bus(
        self,
        ends: Mapping[Place, Span],
        before: Mapping[str, Standing],
        intake: Standing,
        noted: Moment,
        oldest_at: datetime | None,
    ) -> Bus:
        kept_since = noted.now - noted.outbox_kept
        return Bus(
            kafka=self.subject.kafka,
            codec=self.subject.codec,
            prefix=self.subject.prefix,
            scratch=self.scratch,
            examination=self.examination,
            ends=ends,
            intake=(before[topics.USAGE.name], intake),
            rating=before[topics.JOURNAL.name],
            sink=before[topics.STATEMENTS.name],
            oldest_s=int(min(oldest_at or noted.now, kept_since).timestamp()),
            kept_since_s=int(kept_since.timestamp()),
            tenant=self.subject.tenant,
            advance=self.advance,
        )

    async def _isolation(self, tenants: list[str]) -> None:
        facts = await isolation_facts(self.subject.service, self.subject.api, tenants)
        self.examination["I11"].judge(facts)

    async def _settling(self, before: Mapping[str, Standing], ends: Mapping[Place, Span], now: datetime) -> None:
        subject, judged = self.subject, self.examination
        for one in before.values():
            judged["I13"].judge(position_facts(one))
            judged.lags.append(await asyncio.to_thread(group_lag, subject.kafka, one, ends, now))
        await slot_lags(subject.postgres_url, subject.prefix, subject.relay_shards, now, judged)
        await command_lags(subject.service, now, subject.close_grace, judged)
        judged.lags = allowed(judged.lags, subject.within_s)
        judged["I19"].judge(judged.lags)

    async def _letters(self) -> None:
        async with self.subject.service.connection() as connection:
            rows = await queries.audited_letters(connection, tenant_id=self.subject.tenant)
        for row in rows:
            own_fault = is_own_fault(row.source_topic.removeprefix(self.subject.prefix), row.reason)
            self.examination.letters.append(DeadLetterFact(row.tenant_id, row.reason, row.letters, None, own_fault))
        self.examination["I20"].judge((), self.examination.letters)

    def _unjudged(self, *, views_current: bool) -> None:
        judged = self.examination
        for name, where in _ELSEWHERE.items():
            judged[name].unjudged = where
        if self.subject.fast:
            for name in _BY_TOPICS:
                judged[name].unjudged = FAST
            for name, what in _PARTLY_BY_TOPICS.items():
                judged[name].unjudged = f"not with --fast: {what}"
        if not views_current:
            judged["I01"].unjudged = "the usage view is behind its topic: ask again once it is not"
