"""Rating: the journal -> statements, running totals and dead letters, by the account machine.

The machine (`billing.account`) decides everything; this shell finds its accounts and ids in the tables, hands it the
entries of a batch, and turns its outcomes into records.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from billing.account import Account, usage_digest, usage_key
from billing.entry import Usage
from billing.statement import Conflict, Duplicate, Parked, Refused, Repeated, Statement, Voided
from schemas.convert import statement_from_domain, total_from_domain
from schemas.errors import UndecodableRecord
from streams.agents import metrics
from streams.agents.deadletters import EPOCH
from streams.batching.batch import Flush, Outgoing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing.entry import Entry
    from billing.statement import Outcome, Total
    from schemas.codec import Codec
    from streams.agents.deadletters import DeadLetters
    from streams.batching.batch import Partition, Record
    from streams.batching.tables import FoldTable, PackedIdTable

ACCOUNTS_KEPT: Final = 20_000
"""Clean accounts kept in memory per partition: about 10 kB each, so 200 MB a partition at most."""


@dataclass(frozen=True, slots=True)
class RatingPlan:
    """What a rating fold needs to know of the outside: the wire, the topics, its tables."""

    codec: Codec
    statements: str
    totals: str
    dead_letters: DeadLetters
    accounts: FoldTable
    ids: PackedIdTable


class SeenIds:
    """The ids of one partition: new ones in memory until they are flushed, the others in the table."""

    def __init__(self, lookup: Callable[[list[bytes]], list[bytes | None]]) -> None:
        self._lookup = lookup
        self._known: dict[bytes, tuple[int, bytes]] = {}
        self.new: dict[bytes, tuple[int, bytes]] = {}

    def prefetch(self, keys: list[bytes]) -> None:
        """Read a batch's ids at once: 2 µs an id, against 12 µs for single reads."""
        known = self._known = {}
        for key, row in zip(keys, self._lookup(keys), strict=True):
            if row is not None:
                known[key] = (int.from_bytes(row[:8], "big"), row[8:])

    def get(self, key: bytes) -> tuple[int, bytes] | None:
        """Where and with what content this id was seen first; None when it is new."""
        return self.new.get(key) or self._known.get(key)

    def put(self, key: bytes, seen: tuple[int, bytes]) -> None:
        """From now on the id is known."""
        self.new[key] = seen


class RatingFold:
    """The accounts of one partition, folded up to a position of the journal."""

    def __init__(self, plan: RatingPlan, partition: Partition) -> None:
        self._plan = plan
        self._store = partition.store(plan.accounts)
        self._seen = SeenIds(partition.store(plan.ids).get_many)
        self._accounts: dict[bytes, Account] = {}
        self._changed: dict[bytes, Account] = {}
        self._outgoing: list[Outgoing] = []
        self._partition = partition.number
        self._counts: Counter[str] = Counter()
        self._as_of = EPOCH

    async def fold(self, records: Sequence[Record]) -> None:
        """Apply every entry in the order of the journal."""
        entries = [self._decode(record) for record in records]
        digested = [(usage_key(entry), usage_digest(entry)) if type(entry) is Usage else None for entry in entries]
        self._seen.prefetch([pair[0] for pair in digested if pair is not None])
        changed, seen = self._changed, self._seen
        for record, entry, pair in zip(records, entries, digested, strict=True):
            if entry is None:
                continue
            key = record.key
            account = changed.get(key)
            if account is None:
                account = changed[key] = self._account(key, entry.tenant, entry.customer)
            if pair is None:
                outcomes = account.apply(entry, record.offset, seen)
            else:
                outcomes = account.apply_usage(entry, record.offset, pair[0], pair[1], seen)
            for outcome in outcomes:
                self._tell(record, entry, outcome)
        self._counts["entry"] += len(records)
        self._as_of = EPOCH + timedelta(milliseconds=records[-1].timestamp)

    def flush(self) -> Flush:
        """What changed since the last flush: state, ids, and what goes out."""
        items: list[tuple[bytes, bytes | None]] = []
        for key, account in self._changed.items():
            changes = account.changes()
            items += [(key + b"\x00" + suffix, value) for suffix, value in changes.items]
            self._outgoing += [self._total(key, total) for total in changes.totals]
        ids = [(key, position.to_bytes(8, "big") + digest) for key, (position, digest) in self._seen.new.items()]
        outgoing, self._outgoing = self._outgoing, []
        return Flush(tables={self._plan.accounts: items, self._plan.ids: ids}, outcomes=outgoing)

    def flushed(self) -> None:
        """The tables hold what was flushed: forget what can be read again."""
        metrics.count_outcomes(self._counts)
        self._counts.clear()
        self._changed.clear()
        self._seen.new.clear()
        if len(self._accounts) > ACCOUNTS_KEPT:
            self._accounts.clear()

    def _account(self, key: bytes, tenant: str, customer: str) -> Account:
        account = self._accounts.get(key)
        if account is None:
            get = self._store.get
            account = Account.load(tenant, customer, get(key + b"\x00"), lambda suffix: get(key + b"\x00" + suffix))
            self._accounts[key] = account
        return account

    def _decode(self, record: Record) -> Entry | None:
        try:
            return self._plan.codec.decode_journal(record.value)
        except UndecodableRecord as error:
            self._outgoing.append(self._plan.dead_letters.of_record(record, error.reason, error.detail))
            return None

    def _tell(self, record: Record, entry: Entry, outcome: Outcome) -> None:
        self._counts[type(outcome).__name__.lower()] += 1
        match outcome:
            case Statement():
                value = self._plan.codec.encode(
                    self._plan.statements, statement_from_domain(outcome, journal_partition=record.partition)
                )
                self._outgoing.append(
                    Outgoing(self._plan.statements, self._partition, record.key, value, timestamp_ms=record.timestamp)
                )
            case Conflict(first=first):
                detail = f"the id was first seen at journal offset {first} with other content; send it under a new id"
                self._dead(record, entry, "conflict", detail, first)
            case Refused(reason=reason, detail=detail, usage=None):
                self._dead(record, entry, reason, detail, None)
            case Refused(reason=reason, detail=detail, usage=usage, position=position):
                value = self._plan.codec.encode_usage(usage)
                self._dead(replace(record, offset=position, value=value, headers=()), entry, reason, detail, None)
            case Duplicate() | Voided() | Parked() | Repeated():
                pass
            case _:
                assert_never(outcome)

    def _dead(self, record: Record, entry: Entry, reason: str, detail: str, first: int | None) -> None:
        self._outgoing.append(
            self._plan.dead_letters.of_record(
                record, reason, detail, tenant=entry.tenant, customer=entry.customer, first_position=first
            )
        )

    def _total(self, key: bytes, total: Total) -> Outgoing:
        group = "\x1f".join(f"{name}={value}" for name, value in sorted(total.group.items()))
        name = f"{total.subscription}\x1f{total.price}\x1f{total.period_start_us}\x1f{group}"
        value = self._plan.codec.encode(self._plan.totals, total_from_domain(total, as_of=self._as_of))
        return Outgoing(self._plan.totals, self._partition, key + b"\x1f" + name.encode(), value)
