"""Toys that carry events, keep tenants apart, and fold.

Each toy is a small system that comes in two ways: as it should be, and with the mistake that its name tells.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256

from billing import invariants as judged
from billing.invariants import Finding
from tests.invariants.invoicing import Database

TENANTS = ("acme", "bolt")


def id_above_the_cursor(*, sound: bool) -> Iterator[Finding]:
    """A row with a lower id that commits later is never read."""
    commits = [[1, 3], [2], [4, 5]]  # ids are taken before the commit: 2 was taken before 3 and committed after it
    published: list[int] = []
    visible: list[int] = []
    cursor = 0
    for committed in commits:
        visible += committed
        new = [row for row in visible if row not in published] if sound else [row for row in visible if row > cursor]
        published += new
        cursor = max([cursor, *new])
    return judged.outbox_is_published(
        judged.OutboxFact("acme", "invoice", str(row), in_outbox=True, published=published.count(row), age_s=31)
        for row in visible
    )


def published_before_the_commit(*, sound: bool) -> Iterator[Finding]:
    """What is told while its transaction is still open may never have happened."""
    rows, topic = Database(), []
    for name, rolls_back in (("a", False), ("b", True)):
        rows.insert(name)
        if not sound:
            topic.append(name)
        rows.rollback() if rolls_back else rows.commit()
        if sound and name in rows.committed:
            topic.append(name)
    return judged.outbox_is_published(
        judged.OutboxFact("acme", "invoice", name, in_outbox=name in rows.committed, published=1, age_s=0)
        for name in topic
    )


def two_relays_that_skip_locked_rows(*, sound: bool) -> Iterator[Finding]:
    """Each takes a batch that the other has not locked, and the quicker one publishes first."""
    rows = [("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)]
    batches = [rows[:2], rows[2:4], rows[4:]]
    order = batches if sound else [batches[1], batches[0], batches[2]]
    topic = [row for batch in order for row in batch]
    return judged.aggregates_are_in_order(
        judged.SequenceFact("acme", "invoice", aggregate, f"{aggregate}{sequence}", sequence)
        for aggregate, sequence in sorted(topic, key=lambda row: row[0])
    )


def a_list_that_forgets_the_tenant(*, sound: bool) -> Iterator[Finding]:
    """One tenant in its own list sees the canary of the other."""
    rows = [("acme", "canary-acme"), ("bolt", "canary-bolt")]

    def listed(tenant: str) -> list[str]:
        return [name for owner, name in rows if owner == tenant or not sound]

    return judged.tenants_are_apart(
        judged.SightFact(tenant, "customers", sum(name != f"canary-{tenant}" for name in listed(tenant)))
        for tenant in TENANTS
    )


def a_flush_that_forgets_what_was_evicted(*, sound: bool) -> Iterator[Finding]:
    """Memory is bounded by dropping the oldest, changed or not."""
    cache: dict[str, int] = {}
    changelog: dict[str, int] = {}
    refolded: Counter[str] = Counter()
    for key in "abcabdab":
        refolded[key] += 1
        if key not in cache:
            cache[key] = changelog.get(key, 0)
        cache[key] += 1
        if len(cache) > 2:
            oldest = next(iter(cache))
            value = cache.pop(oldest)
            if sound:
                changelog[oldest] = value
    changelog |= cache
    return judged.state_is_its_fold(
        judged.RefoldFact("acme", key, _bytes(changelog.get(key)), _bytes(count)) for key, count in refolded.items()
    )


def an_effect_kept_and_its_offset_lost(*, sound: bool) -> Iterator[Finding]:
    """State and position are written one after the other, and a crash between them counts records again."""
    state, stored, position, restarts = 0, (0, 0), 0, 1
    records = [1, 2, 3, 4]
    while position < len(records):
        state += records[position]
        position += 1
        crashes = position == 2 and restarts > 0
        stored = (state, position) if sound or not crashes else (state, stored[1])
        if crashes:
            restarts -= 1
            state, position = stored
    return judged.state_is_its_fold([judged.RefoldFact("acme", "total", _bytes(state), _bytes(sum(records)))])


def an_invoice_corrected_in_place(*, sound: bool) -> Iterator[Finding]:
    """A final line is updated, in place of a new entry that names it."""
    lines = [("INV-1", 100), ("INV-2", 250)]
    told = {number: sha256(_bytes(amount)).digest() for number, amount in lines}
    if not sound:
        lines[1] = ("INV-2", 200)
    return judged.finals_stay(
        judged.RefoldFact("acme", number, sha256(_bytes(amount)).digest(), told[number]) for number, amount in lines
    )


def a_fold_that_asks_what_time_it_is(*, sound: bool) -> Iterator[Finding]:
    """Usage belongs to the period in which it is folded, and not to that in which it occurred."""
    journal = [(1, 10), (2, 20), (13, 5)]  # day, quantity; the period ends with day 10

    def invoice(folded_on: int) -> bytes:
        return _bytes(sum(quantity for day, quantity in journal if (day if sound else max(day, folded_on)) <= 10))

    return judged.replay_agrees([judged.RefoldFact("acme", "INV-1", invoice(2), invoice(40))])


def lines_in_the_order_of_a_set(*, sound: bool) -> Iterator[Finding]:
    """Equal content in another order is another document."""
    groups = [f"group {number}" for number in range(20)]

    def document(seed: int) -> bytes:
        met = random.Random(seed).sample(groups, len(groups))
        return json.dumps(sorted(met) if sound else met).encode()

    return judged.replay_agrees([judged.RefoldFact("acme", "INV-1", document(1), document(2))])


def _bytes(value: object) -> bytes:
    return str(value).encode()
