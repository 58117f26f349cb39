"""Four-way accounting of what producers sent: lost, unexpected, duplicated, recovered."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from tests.faults.auditor.accounts import ExpectedLetter, content_of
from tests.faults.auditor.facts import Record
from tests.faults.auditor.finding import Finding
from tests.faults.auditor.told import Attempt, Told
from tests.faults.history.log import Content

Named = tuple[str, str, str, str, str, int, tuple[tuple[str, str], ...], str | None]


@dataclass(slots=True)
class Deliveries:
    """What became of every record: in the usage topic, and in the journal."""

    findings: list[Finding] = field(default_factory=list)
    letters: list[ExpectedLetter] = field(default_factory=list)
    """What intake must have dead-lettered."""
    arrived: set[int] = field(default_factory=set)
    """The attempts whose records are in the usage topic."""
    acknowledged: int = 0
    recovered: int = 0
    """Records that nobody acknowledged, and that are there: good to have, and billed."""


def deliveries(told: Told, usage: Sequence[Record], journal: Sequence[Record], *, alone: bool) -> Deliveries:
    """Every attempt against the usage topic, and every record of that against the journal."""
    made = Deliveries()
    arrived = _arrivals(told, usage, made, alone=alone)
    made.arrived = set(arrived)
    _check_acknowledged(told, arrived, made)
    wanted: Counter[Named] = Counter()
    for number, records in arrived.items():
        sent = told.attempts[number].sent
        if sent.reason and sent.reason not in MEASURED_LATER:
            made.letters += [ExpectedLetter(record, frozenset({sent.reason})) for record in records]
        else:
            assert sent.content is not None
            wanted[named(sent.content)] += len(records)
    made.findings += _compare_journal(told, wanted, journal, alone=alone)
    return made


def named(content: Content) -> Named:
    """All that a record says, to be counted by."""
    return (
        content.tenant,
        content.customer,
        content.source,
        content.id,
        content.type,
        content.at_us,
        tuple(sorted(content.properties.items())),
        content.subscription,
    )


MEASURED_LATER = frozenset({"not-a-decimal", "out-of-range", "missing-property", "final-billed", "after-end"})
"""What intake lets through and rating refuses."""


def _arrivals(told: Told, usage: Sequence[Record], made: Deliveries, *, alone: bool) -> Mapping[int, list[Record]]:
    """The records of the usage topic by their attempts."""
    arrived: dict[int, list[Record]] = defaultdict(list)
    mark = f"{told.seed}/"
    for record in usage:
        header = next((value for name, value in record.headers if name == "n"), None)
        text = "" if header is None else header.decode()
        if not text.startswith(mark):
            if alone:
                made.findings.append(
                    Finding("I02", "", record.place, "is unexpected: no producer of this history sent it")
                )
            continue
        attempt = told.attempts.get(int(text.removeprefix(mark)))
        if attempt is None:
            detail = f"is unexpected: no attempt {text} to send it is in the history"
            made.findings.append(Finding("I02", "", record.place, detail))
            continue
        arrived[attempt.number].append(record)
        if _digest(record.value) != attempt.sent.digest:
            detail = f"has other bytes ({_digest(record.value)}) than attempt {text} sent ({attempt.sent.digest})"
            made.findings.append(Finding("I02", attempt.sent.tenant, record.place, detail))
    return arrived


def _check_acknowledged(told: Told, arrived: Mapping[int, list[Record]], made: Deliveries) -> None:
    for number, attempt in told.attempts.items():
        records = arrived.get(number, [])
        places = [(record.partition, record.offset) for record in records]
        if attempt.outcome == "ok":
            made.acknowledged += 1
            if attempt.place not in places:
                at = "/".join(map(str, attempt.place or ()))
                found = ", ".join(record.place for record in records) or "nowhere"
                made.findings.append(
                    _about(attempt, f"is lost: it was acknowledged at usage/{at}, and Kafka has it {found}")
                )
        elif records:
            made.recovered += 1
            if attempt.outcome == "fail":
                made.findings.append(_about(attempt, f"is unexpected: it was told to have failed, and is at {places}"))
        if len(records) > 1:
            found = ", ".join(record.place for record in records)
            made.findings.append(_about(attempt, f"is duplicated by an idempotent producer: it stands at {found}"))


def _about(attempt: Attempt, detail: str) -> Finding:
    content = attempt.sent.content
    name = f"usage {content.source}/{content.id} of {content.customer}" if content is not None else "a record"
    return Finding("I02", attempt.sent.tenant, f"{name} (attempt {attempt.number})", detail)


def _compare_journal(
    told: Told, wanted: Counter[Named], journal: Sequence[Record], *, alone: bool
) -> Iterator[Finding]:
    """Every readable record of the usage topic is in the journal once."""
    found: Counter[Named] = Counter()
    places: dict[Named, list[str]] = defaultdict(list)
    for record in journal:
        if record.kind == "UsageRecorded" and (alone or record.fields["tenant_id"] in told.tenants):
            name = named(content_of(record.fields))
            found[name] += 1
            places[name].append(record.place)
    for name in found.keys() | wanted.keys():
        if found[name] == wanted[name]:
            continue
        tenant, customer, source, usage_id, *_ = name
        kind = "lost" if found[name] < wanted[name] else "duplicated" if wanted[name] else "unexpected"
        at = ", ".join(places[name]) or "nowhere"
        detail = (
            f"is {kind}: it stands {wanted[name]} times in the usage topic and {found[name]} times in the journal"
            f" ({at}), with the content {name[4:]}"
        )
        yield Finding("I02", tenant, f"usage {source}/{usage_id} of {customer}", detail)


def _digest(value: bytes | None) -> str:
    return "" if value is None else blake2b(value, digest_size=16).hexdigest()
