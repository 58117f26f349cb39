"""How a dead letter looks: to a person, whose terminal its bytes can't reach, and to a script, whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from streams.redrive.reasons import BY_CODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from connectors.postgres.queries.dead_letters import LetterAt, LettersAfter
    from schemas.codec import Codec
    from schemas.letters import LetterId

BYTES_A_LINE: Final = 16
BYTES_SHOWN: Final = 1024
CHARS_SHOWN: Final = 4096


def printable(text: str, most: int = CHARS_SHOWN) -> str:
    """Returns untrusted text on one line: no control character, and not longer than that."""
    safe = "".join(one if one.isprintable() else f"\\u{{{ord(one):x}}}" for one in text[:most])
    return safe if len(text) <= most else f"{safe} … {len(text) - most:,} characters more"


def moment(at: datetime | None) -> str:
    """Returns an instant to the second, `-` for none."""
    return "-" if at is None else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def bytes_in_words(value: bytes | None) -> str:
    """Returns short bytes as text where they are text, otherwise as hex."""
    if value is None:
        return "null"
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = ""
    return printable(text) if text.isprintable() and text else f"hex {value[:BYTES_SHOWN].hex()}"


def hex_dump(value: bytes) -> Iterator[str]:
    """Yields lines of place, hex and characters; of long values the beginning."""
    for place in range(0, min(len(value), BYTES_SHOWN), BYTES_A_LINE):
        row = value[place : place + BYTES_A_LINE]
        shown = "".join(one if one.isascii() and one.isprintable() else "." for one in row.decode("latin-1"))
        yield f"{place:06x}  {row.hex(' '):<{3 * BYTES_A_LINE}} {shown}"
    if len(value) > BYTES_SHOWN:
        yield f"… {len(value) - BYTES_SHOWN:,} bytes more; --json has all of them"


def decoded(value: bytes | None, codec: Codec | None) -> str:
    """Returns the value as the record that it is, or why it is none."""
    from schemas.errors import UndecodableRecord

    if value is None:
        return "no value"
    try:
        return json.dumps(json.loads(value), ensure_ascii=True) if value[:1] in b"{ \t\r\n" else _avro(value, codec)
    except UndecodableRecord as error:
        return str(error)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error!s:.200}"


def _avro(value: bytes, codec: Codec | None) -> str:
    if codec is None:
        return "not tried: the schema registry does not answer"
    record = codec.decode(value)
    return f"{record.FULL_NAME} {json.dumps(record.to_wire(), default=bytes.hex, ensure_ascii=True)}"


def as_text(
    at: LetterId, letter: LetterAt, before: Sequence[LetterId], after: Sequence[LettersAfter], codec: Codec | None
) -> Iterator[str]:
    """Yields the lines of `beaas dlq show`."""
    family = BY_CODE.get(letter.reason)
    fields = {
        "letter": str(at),
        "reason": letter.reason,
        "detail": letter.detail,
        "tenant": letter.tenant_id or "-",
        "customer": letter.customer_id or "-",
        "stood at": f"{letter.source_topic}, partition {letter.source_partition}, offset {letter.source_offset}",
        "received at": letter.received_at.isoformat(),
    }
    if letter.first_position is not None:
        fields["first at"] = f"journal, partition {letter.source_partition}, offset {letter.first_position}"
    for name, text in fields.items():
        yield f"{name:<12} {printable(text)}"
    values: Sequence[bytes | None] = letter.header_values
    for name, value in zip(letter.header_names, values, strict=True):
        yield f"{'header':<12} {printable(name)} = {bytes_in_words(value)}"
    yield f"{'key':<12} {bytes_in_words(letter.key)}"
    yield f"{'value':<12} {'null' if letter.value is None else f'{len(letter.value):,} bytes'}"
    for line in hex_dump(letter.value or b""):
        yield f"  {line}"
    yield f"{'decoded':<12} {printable(decoded(letter.value, codec))}"
    if before:
        yield f"{'redrive of':<12} {' < '.join(map(str, before))}"
    yield f"{'put back':<12} {_put_back(letter)}"
    for one in after:
        yield f"{'died again':<12} {one.letter_partition}-{one.letter_offset}, {printable(one.reason)}"
    if family is not None:
        yield f"{'meaning':<12} {family.meaning}"
        yield f"{'to do':<12} {family.remedy}"


def _put_back(letter: LetterAt) -> str:
    if letter.redriven_at is None:
        return "no"
    edited = ", with another value" if letter.redriven_edited else ""
    where = f"{letter.redriven_topic}, partition {letter.redriven_partition}, offset {letter.redriven_offset}"
    return printable(f"{letter.redriven_at.isoformat()} by run {letter.redriven_run}, to {where}{edited}")


def as_json(
    at: LetterId, letter: LetterAt, before: Sequence[LetterId], after: Sequence[LettersAfter], codec: Codec | None
) -> str:
    """Returns all of it; bytes as hex."""
    values: Sequence[bytes | None] = letter.header_values
    redriven = None
    if letter.redriven_at is not None:
        redriven = {
            "at": letter.redriven_at.isoformat(),
            "run": letter.redriven_run,
            "topic": letter.redriven_topic,
            "partition": letter.redriven_partition,
            "offset": letter.redriven_offset,
            "edited": letter.redriven_edited,
        }
    return json.dumps(
        {
            "id": str(at),
            "reason": letter.reason,
            "detail": letter.detail,
            "tenant": letter.tenant_id,
            "customer": letter.customer_id,
            "topic": letter.source_topic,
            "partition": letter.source_partition,
            "offset": letter.source_offset,
            "received_at": letter.received_at.isoformat(),
            "first_position": letter.first_position,
            "headers": [
                [name, None if value is None else value.hex()]
                for name, value in zip(letter.header_names, values, strict=True)
            ],
            "key": None if letter.key is None else letter.key.hex(),
            "value": None if letter.value is None else letter.value.hex(),
            "decoded": decoded(letter.value, codec),
            "redrive_of": [str(one) for one in before],
            "redriven": redriven,
            "died_again": [f"{one.letter_partition}-{one.letter_offset}" for one in after],
        }
    )
