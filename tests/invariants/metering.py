"""Toys that measure and consume.

Each toy is a small system that comes in two ways: as it should be, and with the mistake that its name tells.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal

from billing import invariants as judged
from billing.account.identity import usage_key
from billing.entry import CustomerId, TenantId, Usage
from billing.invariants import Finding

TENANTS = ("acme", "bolt")


def usages() -> list[Usage]:
    """Of each tenant three events, with the same ids; the last is sent twice."""
    sent = [
        Usage(
            tenant=TenantId(tenant),
            customer=CustomerId("c"),
            id=str(number),
            source="",
            type="call",
            occurred_at_us=number,
            properties={"seconds": str(10 * number)},
        )
        for tenant in TENANTS
        for number in (1, 2, 3)
    ]
    return [*sent, sent[-1]]


def meter(key: Callable[[Usage], object]) -> dict[str, judged.Measure]:
    """Counts every event once, by what `key` takes for its identity."""
    seen, seconds, events = set(), Counter[str](), Counter[str]()
    for usage in usages():
        if key(usage) not in seen:
            seen.add(key(usage))
            seconds[usage.tenant] += int(usage.properties["seconds"])
            events[usage.tenant] += 1
    return {tenant: judged.Measure(Decimal(seconds[tenant]), events[tenant], None) for tenant in TENANTS}


def dedupe_keyed_without_tenant(*, sound: bool) -> Iterator[Finding]:
    """An id that two tenants use counts for the first only."""
    accepted = meter(lambda usage: (usage.tenant, usage.id))
    metered = meter(usage_key if sound else lambda usage: usage.id)
    return judged.usage_is_conserved(
        judged.CellFact(tenant, "s", "calls", "", "2026-01-01", accepted[tenant], metered[tenant], None)
        for tenant in TENANTS
    )


def float_sum(*, sound: bool) -> Iterator[Finding]:
    """Ten tenths are not one."""
    tenths = ["0.1"] * 10
    metered = sum(map(Decimal, tenths), Decimal(0)) if sound else Decimal(sum(map(float, tenths)))
    accepted, billed = (judged.Measure(quantity, None, None) for quantity in (Decimal(1), metered))
    return judged.usage_is_conserved([judged.CellFact("acme", "s", "data", "", "2026-01-01", accepted, None, billed)])


def late_usage_replaces(*, sound: bool) -> Iterator[Finding]:
    """An adjustment says all that was used, in place of what came late."""
    in_time, late = Decimal(5), Decimal(2)
    lines = [in_time, late if sound else in_time + late]
    metered, invoiced = (judged.Measure(quantity, 7, None) for quantity in (in_time + late, sum(lines, Decimal(0))))
    return judged.usage_is_conserved([judged.CellFact("acme", "s", "data", "", "2026-01-01", None, metered, invoiced)])


def a_consumer_that_dies(*, offset_first: bool, repeatable: bool = True) -> tuple[list[str], int]:
    """Handles five records, dies once between its two writes, starts again; returns effects and committed offset."""
    records, effects, committed, lives = list("abcde"), list[str](), 0, 2
    while committed < len(records):
        position, dies = committed, committed == 2 and lives == 2
        lives -= dies
        for step in ("offset", "effect") if offset_first else ("effect", "offset"):
            if step == "offset":
                committed = position + 1
            elif not repeatable or records[position] not in effects:
                effects.append(records[position])
            if dies:
                break
    return effects, committed


def fates(effects: list[str]) -> Iterator[Finding]:
    """What became of the five records by what was done for them."""
    done = Counter(effects)
    return judged.every_event_has_one_fate(
        judged.EventFact("acme", name, 1, 0, done[name], 0, 0, 0) for name in "abcde"
    )


def commit_before_write(*, sound: bool) -> Iterator[Finding]:
    """What was to be written is lost in a crash between the two."""
    return fates(a_consumer_that_dies(offset_first=not sound)[0])


def write_that_is_not_repeatable(*, sound: bool) -> Iterator[Finding]:
    """What was written is written again after a crash between the two."""
    return fates(a_consumer_that_dies(offset_first=False, repeatable=sound)[0])


def offset_committed_before_the_effect(*, sound: bool) -> Iterator[Finding]:
    """After a crash between the two the offset stands behind a record without its effect."""
    effects, committed = a_consumer_that_dies(offset_first=not sound)
    applied = next((place for place, name in enumerate("abcde") if name not in effects), len("abcde")) - 1
    return judged.commits_follow_effects([judged.PositionFact("sink", "statements", 0, committed, applied)])


class Idempotency:
    """Answers a key again as it did before; the mistakes are in what it compares and when it remembers."""

    def __init__(self, *, compares: bool, remembers: bool) -> None:
        self._compares, self._remembers = compares, remembers
        self._known: dict[str, tuple[bytes, bytes]] = {}
        self.effects = 0

    def give(self, key: str, content: bytes) -> bytes | None:
        """Returns the answer, None for a conflict."""
        known = self._known.get(key)
        if known is not None:
            return known[1] if known[0] == content or not self._compares else None
        self.effects += 1
        answer = b"done %d" % self.effects
        if self._remembers:
            self._known[key] = (content, answer)
        return answer


def _attempted(service: Idempotency, *contents: bytes) -> Iterator[Finding]:
    attempts = tuple(judged.Attempt(content, service.give("key", content)) for content in contents)
    return judged.repeats_change_nothing([judged.CommandFact("acme", "key", attempts, service.effects)])


def a_key_whose_content_nobody_compares(*, sound: bool) -> Iterator[Finding]:
    """Another command under the same key is answered as if it had been done."""
    return _attempted(Idempotency(compares=sound, remembers=True), b"pay 5", b"pay 5", b"pay 7")


def a_retry_that_does_it_again(*, sound: bool) -> Iterator[Finding]:
    """The key is not written with the effect, so the retry does not find it."""
    return _attempted(Idempotency(compares=True, remembers=sound), b"pay 5", b"pay 5")


def a_dead_letter_without_its_bytes(*, sound: bool) -> Iterator[Finding]:
    """What can't be read is kept as text, and never can be read again."""
    value = b"\x00\x00\x00\x00\x09\xff\xfe"
    kept = value if sound else value.decode(errors="replace").encode()
    return judged.records_decode([judged.ReadFact("usage", 0, 7, "unknown schema 9", "unknown-schema", kept == value)])


def poison_that_is_skipped(*, sound: bool) -> Iterator[Finding]:
    """What can't be read is logged, and the log is rotated."""
    letters: dict[int, str] = {}
    facts = []
    for offset, value in enumerate((b"{}", b"{", b"{}")):
        problem = ""
        try:
            json.loads(value)
        except ValueError:
            problem = "no JSON"
            if sound:
                letters[offset] = "not-json"
        facts.append(judged.ReadFact("usage", 0, offset, problem, letters.get(offset), keeps_bytes=True))
    return judged.records_decode(facts)


def a_partition_that_poison_blocks(*, sound: bool) -> Iterator[Finding]:
    """The same record is tried again and again, and all that is behind it waits."""
    records, position, restarts = ["good", "poison", "good", "good"], 0, []
    for second in range(100):
        if position == len(records):
            break
        if records[position] == "poison" and not sound:
            restarts.append(judged.RestartFact("worker sinks", second))
            continue
        position += 1
    lag = judged.LagFact("sinks on statements/0", len(records) - position, "records", 100)
    return judged.everything_settles([lag], restarts)


def a_retry_that_invoices_each_time(*, sound: bool) -> Iterator[Finding]:
    """A close that fails behind its invoice is taken again, and draws another one."""
    drawn = 0
    for attempt in range(500):
        if attempt == 0 or not sound:
            drawn += 1
    return judged.nothing_runs_away([judged.SizeFact("acme", "s on 2026-02-01", drawn, "invoices", 100)])


def an_outage_taken_for_bad_usage(*, sound: bool) -> Iterator[Finding]:
    """The handler of what can't be read swallows what can't be reached, too."""
    dead = 0
    for usage, registry_is_up in (("good", True), ("poison", True), ("good", False), ("good", True)):
        tries = [registry_is_up] if not sound else [registry_is_up, True]
        try:
            if usage == "poison":
                raise ValueError(usage)  # noqa: TRY301 - what a decoder raises
            if not any(tries):
                raise ConnectionError  # noqa: TRY301 - what a client raises
        except (ValueError, ConnectionError):
            dead += 1
    return judged.nothing_runs_away([], [judged.DeadLetterFact("acme", "undecodable", dead, planted=1)])
