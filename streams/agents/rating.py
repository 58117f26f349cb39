"""Rating: the journal -> statements, running totals and dead letters, by the account machine.

The machine (`billing.account`) decides everything; this shell finds its accounts and ids in the tables, hands it the
entries of a batch, and turns its outcomes into records.
"""

from collections import Counter
from collections.abc import Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, assert_never

import msgspec
from aiokafka.errors import OffsetOutOfRangeError

from billing.account import Account, counted_at
from billing.entry import CustomerId, Entry, TenantId, Usage, UsageVoided
from billing.instant import instant
from billing.statement import Conflict, Duplicate, Outcome, Parked, Refused, Repeated, Statement, Total, Voided
from schemas.codec import Codec, NamedEntry
from schemas.convert import statement_from_domain
from schemas.errors import UndecodableRecord
from schemas.records import UsageParked
from streams.agents import metrics
from streams.agents.deadletters import DeadLetters
from streams.agents.journal import JournalReader
from streams.agents.seen import SeenIds
from streams.batching.batch import Flush, Outgoing, Partition, Record
from streams.batching.tables import FoldTable, PackedIdTable

ACCOUNTS_KEPT: Final = 5_000
CELLS_KEPT: Final = 50_000
"""What stays in memory per partition between two looks: cells are 1 to 2 kB each, so about 100 MB at most."""
ENTRIES_BETWEEN_LOOKS: Final = 50_000
UNIT: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class RatingPlan:
    """What a rating fold needs to know of the outside: the wire, the topics, its tables."""

    codec: Codec
    journal: JournalReader
    statements: str
    totals: str
    dead_letters: DeadLetters
    accounts: FoldTable
    ids: PackedIdTable
    usage_window: timedelta


class RatingFold:
    """The accounts of one partition, folded up to a position of the journal."""

    def __init__(self, plan: RatingPlan, partition: Partition) -> None:
        self._plan = plan
        self._partition = partition.number
        self._store = partition.store(plan.accounts)
        self._seen = SeenIds(partition.store(plan.ids).get_many)
        self._accounts: dict[bytes, Account] = {}
        self._changed: dict[bytes, Account] = {}
        self._parked: dict[bytes, Account] = {}
        self._outgoing: list[Outgoing] = []
        self._counts: Counter[str] = Counter()
        self._as_of_us = 0
        self._since_look = 0

    async def fold(self, records: Sequence[Record]) -> None:
        """Applies every entry in the order of the journal."""
        usages, keys, digests = self._plan.codec.named_usage([record.value for record in records])
        others: dict[int, Entry] = {}
        for place, usage in enumerate(usages):
            if usage is None and (named := self._decode(records[place])) is not None:
                if named[1] is None:
                    others[place] = named[0]
                else:
                    usages[place], keys[place], digests[place] = named
        seen = self._seen.of([key for key in keys if key])
        changed = self._changed
        for place, record in enumerate(records):
            usage = usages[place]
            entry = others.get(place) if usage is None else usage
            if entry is None:
                continue
            account = changed.get(record.key)
            if account is None:
                account = changed[record.key] = self._account(record.key, entry)
            if usage is not None:
                outcomes = account.apply_usage(usage, record.offset, keys[place], digests[place], seen)
            else:
                outcomes = await self._apply_command(account, entry, record)
            if outcomes:  # nothing to say of nearly every event
                for outcome in outcomes:
                    self._tell(account, record, entry, outcome)
        self._counts["entry"] += len(records)
        self._as_of_us = records[-1].timestamp * 1000

    def flush(self) -> Flush:
        """What changed since the last flush: state, ids, and what goes out."""
        items: dict[bytes, bytes | None] = {}
        for key, account in self._changed.items():
            changes, prefix = account.changes(), key + b"\x00"
            for suffix, value in changes.items:
                items[prefix + suffix] = value
            self._outgoing += [self._total(key, total) for total in changes.totals]
        self._outgoing += [self._parked_usage(key, account) for key, account in self._parked.items()]
        outgoing, self._outgoing = self._outgoing, []
        return Flush(tables={self._plan.accounts: items, self._plan.ids: self._seen.rows()}, outcomes=outgoing)

    def flushed(self) -> None:
        """The tables hold what was flushed: forget what can be read again."""
        self._since_look += self._counts["entry"]
        metrics.count_outcomes(self._counts)
        for kept in (self._counts, self._changed, self._parked, self._seen.new):
            kept.clear()
        if self._since_look > ENTRIES_BETWEEN_LOOKS:
            self._since_look = 0
            self._evict()

    def _evict(self) -> None:
        cells = sum(account.size for account in self._accounts.values())
        if len(self._accounts) > ACCOUNTS_KEPT or cells > CELLS_KEPT:
            self._accounts.clear()

    def _account(self, key: bytes, entry: Entry) -> Account:
        account = self._accounts.get(key)
        if account is None:
            get, prefix = self._store.get, key + b"\x00"
            account = self._accounts[key] = Account.load(
                TenantId(entry.tenant),
                CustomerId(entry.customer),
                get(prefix),
                lambda suffix: get(prefix + suffix),
                usage_window_us=self._plan.usage_window // timedelta(microseconds=1),
            )
        return account

    async def _apply_command(self, account: Account, entry: Entry, record: Record) -> Sequence[Outcome]:
        if isinstance(entry, UsageVoided):
            return account.apply(await self._with_original(entry, record), record.offset, self._seen)
        assert not isinstance(entry, Usage)
        parked = account.parked
        since = account.rewind_from(entry)
        again = None if since is None else await self._usage_since(since, record, entry.at_us)
        outcomes = account.apply(entry, record.offset, self._seen, again)
        if account.parked != parked:
            self._parked[record.key] = account
        return outcomes

    async def _with_original(self, void: UsageVoided, record: Record) -> UsageVoided:
        """The void with the usage that it takes back, read from where dedupe saw it."""
        position = counted_at(void, self._seen)
        if position is None:
            return void
        with suppress(OffsetOutOfRangeError):  # the journal is kept unless an operator limits it: then it says so
            async with aclosing(self._plan.journal.records(record.partition, position, position + 1)) as found:
                async for one in found:
                    original = self._usage_in(one)
                    if original is not None:
                        return msgspec.structs.replace(void, original=(original, one.offset))
        return void

    async def _usage_since(self, since: int, record: Record, at_us: int) -> list[tuple[Usage, int]]:
        """The account's usage of positions [since, the record's) that occurred at the instant or later.

        Only that: one event from a clock that goes ahead puts `since` far back, and all usage between would be held.
        """
        usage: list[tuple[Usage, int]] = []
        async with aclosing(self._plan.journal.records(record.partition, since, record.offset)) as found:
            async for one in found:
                found_usage = self._usage_in(one) if one.key == record.key else None
                if found_usage is not None and found_usage.occurred_at_us >= at_us:
                    usage.append((found_usage, one.offset))
        return usage

    def _usage_in(self, record: Record) -> Usage | None:
        """The usage in a record that was folded before; one that could not be read has had its dead letter."""
        try:
            entry = self._plan.codec.decode_journal(record.value)
        except UndecodableRecord:
            return None
        return entry if isinstance(entry, Usage) else None

    def _decode(self, record: Record) -> NamedEntry | None:
        try:
            return self._plan.codec.decode_named(record.value)
        except UndecodableRecord as error:
            self._outgoing.append(self._plan.dead_letters.of_record(record, error.reason, error.detail))
            return None

    def _tell(self, account: Account, record: Record, entry: Entry, outcome: Outcome) -> None:
        self._counts[type(outcome).__name__.lower()] += 1
        match outcome:
            case Statement():
                self._state(record, outcome)
            case Conflict(first=first):
                detail = f"the id was first seen at journal offset {first} with other content; send it under a new id"
                self._dead(record, entry, "conflict", detail, first)
            case Refused(reason=reason, detail=detail, usage=Usage() as earlier, position=position):
                value = self._plan.codec.encode_usage(earlier)  # it was parked: its record is not at hand
                self._dead(
                    msgspec.structs.replace(record, offset=position, value=value, headers=()), earlier, reason, detail
                )
            case Refused(reason=reason, detail=detail):
                self._dead(record, entry, reason, detail)
            case Parked():
                self._parked[record.key] = account
            case Duplicate() | Voided() | Repeated():
                pass
            case _:
                assert_never(outcome)

    def _state(self, record: Record, statement: Statement) -> None:
        wire = statement_from_domain(statement, journal_partition=record.partition)
        value = self._plan.codec.encode(self._plan.statements, wire)
        self._outgoing.append(
            Outgoing(self._plan.statements, self._partition, record.key, value, timestamp_ms=record.timestamp)
        )

    def _dead(self, record: Record, entry: Entry, reason: str, detail: str, first: int | None = None) -> None:
        self._outgoing.append(
            self._plan.dead_letters.of_record(
                record, reason, detail, tenant=entry.tenant, customer=entry.customer, first_position=first
            )
        )

    def _total(self, key: bytes, total: Total) -> Outgoing:
        group = [f"{name}={value}" for name, value in sorted(total.group.items())] if total.group else [""]
        # Without a group the name still ends in a separator: keys of a compacted topic must stay as they are.
        name = UNIT.join(["", total.subscription, total.price, str(total.period_start_us), *group])
        value = self._plan.codec.encode_total(self._plan.totals, total, self._as_of_us)
        return Outgoing(self._plan.totals, self._partition, key + name.encode(), value)

    def _parked_usage(self, key: bytes, account: Account) -> Outgoing:
        tenant, _, customer = key.decode().partition("/")
        parked = UsageParked(
            tenant_id=tenant,
            customer_id=customer,
            events=account.parked,
            reason="no subscription of this customer is known",
            as_of=instant(self._as_of_us),
            journal_position=account.position,
        )
        return Outgoing(self._plan.totals, self._partition, key, self._plan.codec.encode(self._plan.totals, parked))
