"""Dead letters: exactly those that must be there, each with the bytes of its source; and their view."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.faults.auditor.accounts import ExpectedLetter
from tests.faults.auditor.facts import LetterRow, Record
from tests.faults.auditor.finding import Finding

_Place = tuple[str, int, int]


def check_letters(
    expected: Sequence[ExpectedLetter], letters: Sequence[Record], rows: Sequence[LetterRow], prefix: str
) -> Iterator[Finding]:
    """Every letter of the topic is of planted poison, of a conflict or of usage without a window, and there once."""
    found: dict[_Place, list[Record]] = defaultdict(list)
    for letter in letters:
        fields = letter.fields
        topic = str(fields["source_topic"]).removeprefix(prefix)
        found[topic, int(fields["source_partition"]), int(fields["source_offset"])].append(letter)
    for one in expected:
        place = one.source.topic, one.source.partition, one.source.offset
        yield from _check_letter(one, found.pop(place, []))
    for place, all_ in found.items():
        for letter in all_:
            said = f"{letter.fields['reason']!r}: {letter.fields['detail']}"
            detail = f"names {'/'.join(map(str, place))} for {said}; nothing bad was planted there"
            yield Finding("I20", str(letter.fields["tenant_id"] or ""), f"dead letter {letter.place}", detail)
    yield from _check_rows(letters, rows)


def _check_letter(one: ExpectedLetter, letters: list[Record]) -> Iterator[Finding]:
    source, wanted = one.source, " or ".join(sorted(one.reasons))
    if not letters and one.needed:
        yield Finding("I02", "", source.place, f"must be a dead letter ({wanted}), and is none")
    if len(letters) > 1:
        at = ", ".join(letter.place for letter in letters)
        yield Finding("I02", "", source.place, f"is a dead letter {len(letters)} times, at {at}; once is right")
    for letter in letters:
        fields = letter.fields
        if fields["reason"] not in one.reasons:
            detail = f"gives the reason {fields['reason']!r} for {source.place}; {wanted} is right"
            yield Finding("I18", str(fields["tenant_id"] or ""), f"dead letter {letter.place}", detail)
        headers = tuple((header["key"], header["value"]) for header in fields["headers"])
        if (fields["key"], fields["value"]) != (source.key, source.value):
            detail = f"has other bytes than {source.place}: {_short(fields['value'])}, not {_short(source.value)}"
            yield Finding("I18", str(fields["tenant_id"] or ""), f"dead letter {letter.place}", detail)
        if headers and headers != source.headers:
            detail = f"has the headers {headers}, its source {source.place} has {source.headers}"
            yield Finding("I18", str(fields["tenant_id"] or ""), f"dead letter {letter.place}", detail)


def _check_rows(letters: Sequence[Record], rows: Sequence[LetterRow]) -> Iterator[Finding]:
    told = {
        (one.fields["reason"], one.fields["source_topic"], one.fields["source_partition"], one.fields["source_offset"])
        for one in letters
    }
    shown = Counter((row.reason, row.topic, row.partition, row.offset) for row in rows)
    for name in told ^ shown.keys():
        where = "the topic and not in the view" if name in told else "the view and not in the topic"
        yield Finding("I18", "", "/".join(map(str, name[1:])), f"is a dead letter ({name[0]}) in {where} dead_letters")


def _short(value: bytes | None) -> str:
    return "nothing" if value is None else f"{len(value)} bytes {value[:40]!r}"
