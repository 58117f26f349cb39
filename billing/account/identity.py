"""Names that are functions of what they name: of usage, its content, commands and statements."""

from abc import ABC, abstractmethod
from hashlib import blake2b
from typing import Final

import msgspec

from billing.entry import Command, Usage, UsageVoided

VOIDED: Final = b"\xff" * 8
"""Stands in `Seen` for the digest of an id that was voided; its position is then the void's."""
REFUSED: Final = b"\xfe" * 8
"""Stands in `Seen` for the digest of an id that was taken and refused after all: it is as good as never seen."""

KEY_BYTES: Final = 16
DIGEST_BYTES: Final = 8
_MASK: Final = (1 << 8 * (KEY_BYTES + DIGEST_BYTES)) - 1
_MORE: Final = 0x80  # the bit of a varint's byte that says another one follows
SHORT_LENGTHS: Final = tuple(chr(length << 1) for length in range(64))
"""How Avro writes the length of a string of fewer than 64 bytes."""
_encode: Final = msgspec.msgpack.Encoder().encode  # every string carries its length, so no two tuples encode alike


class Seen(ABC):
    """The usage ids that were counted or voided; the account asks it and tells it, the shell keeps and expires it.

    A value is the journal position of the first arrival and the digest of its content, or the position of the void and
    `VOIDED`. What was refused is not in it, or as `REFUSED`, so that it counts when it is sent again.

    Where this room is compiled, whoever implements it is compiled as well (ADR 11).
    """

    @abstractmethod
    def get(self, key: bytes) -> tuple[int, bytes] | None:
        """Returns what is known of the id."""

    @abstractmethod
    def put(self, key: bytes, position: int, digest: bytes) -> None:
        """Remembers an id, or that it is voided now."""


class SeenInMemory(Seen):
    """Remembers every id for as long as it lives: for a replay, a scenario, a test."""

    def __init__(self) -> None:
        self.known: dict[bytes, tuple[int, bytes]] = {}

    def get(self, key: bytes) -> tuple[int, bytes] | None:
        """Returns what is known of the id."""
        return self.known.get(key)

    def put(self, key: bytes, position: int, digest: bytes) -> None:
        """Remembers an id, or that it is voided now."""
        self.known[key] = (position, digest)


def is_new(known: tuple[int, bytes] | None) -> bool:
    """Whether usage counts whose id is known so."""
    return known is None or known[1] == REFUSED


def counted_at(void: UsageVoided, seen: Seen) -> int | None:
    """Returns where the usage that a void names was taken; None where there is none to take back.

    Not its first arrival where that was refused: an id that is sent again after that counts from there.
    """
    return taken_at(seen.get(id_key(void.tenant, void.customer, void.source, void.id)))


def taken_at(known: tuple[int, bytes] | None) -> int | None:
    """Returns where usage was taken whose id is known so; None where it is none to take back."""
    return None if known is None or known[1] in {REFUSED, VOIDED} else known[0]


def usage_key(usage: Usage) -> bytes:
    """Returns the 16 bytes that stand for the identity (tenant, customer, source, id)."""
    return id_key(usage.tenant, usage.customer, usage.source, usage.id)


def id_key(tenant: str, customer: str, source: str, usage_id: str) -> bytes:
    """Returns the 16 bytes that stand for the identity of usage: BLAKE2b of the texts as Avro writes them.

    So whoever has usual usage on the wire may hash its bytes in place.
    """
    return blake2b(_strings(tenant, customer, usage_id, source), digest_size=KEY_BYTES).digest()


def usage_digest(usage: Usage) -> bytes:
    """Returns 8 bytes of the whole content: equal where a repeat says the same, in whatever order of properties.

    BLAKE2b of type, instant, properties sorted by name and subscription, as Avro writes them.
    """
    properties, subscription = usage.properties, usage.subscription
    entries = [text for pair in sorted(properties.items()) for text in pair]
    block = long_bytes(len(properties)) + _strings(*entries) if properties else b""
    named = b"\0" if subscription is None else b"\2" + _strings(subscription)
    content = b"".join((_strings(usage.type), long_bytes(usage.occurred_at_us), block, b"\0", named))
    return blake2b(content, digest_size=DIGEST_BYTES).digest()


def event_number(key: bytes, digest: bytes) -> int:
    """Returns the number that an event adds to the digest of a line's events; key and digest are the usage's."""
    return int.from_bytes(key + digest, "big")


def number_of(usage: Usage) -> int:
    """Returns the `event_number` of usage."""
    return event_number(usage_key(usage), usage_digest(usage))


def events_digest(total: int) -> bytes:
    """Returns the digest of the events whose numbers sum to `total`: 24 bytes, big-endian, modulo 2^192.

    It does not depend on their order, and an event that is taken back is subtracted. It finds what was lost, doubled or
    altered by accident; it is no proof against a forger, who may choose his ids.
    """
    return (total & _MASK).to_bytes(KEY_BYTES + DIGEST_BYTES, "big")


def _strings(*texts: str) -> bytes:
    """Texts as Avro writes strings: each behind its length."""
    try:
        return "".join([SHORT_LENGTHS[len(text)] + text for text in texts]).encode("ascii")
    except (IndexError, UnicodeEncodeError):
        written = [text.encode(errors="surrogatepass") for text in texts]
        return b"".join([long_bytes(len(one)) + one for one in written])


def long_bytes(number: int) -> bytes:
    """Returns an integer as Avro writes a long: zigzag, seven bits a byte, the lowest first."""
    rest = number << 1 if number >= 0 else -number * 2 - 1
    groups = bytearray()
    while rest >= _MORE:
        groups.append(rest & 127 | _MORE)
        rest >>= 7
    groups.append(rest)
    return bytes(groups)


def command_mark(command_id: str) -> bytes:
    """Returns the 8 bytes that a repeated command is known by."""
    return blake2b(command_id.encode(), digest_size=8).digest()


def group_mark(group: tuple[str, ...]) -> bytes:
    """Returns 16 bytes for a group, nothing for the only one of a meter that does not group."""
    return blake2b(_encode(group), digest_size=16).digest() if group else b""


def statement_id(command: Command) -> str:
    """Returns the id of the statement that a command draws, in the form of a UUID (RFC 9562, version 8)."""
    name = (command.tenant, command.customer, command.subscription, command.command_id)
    digest = bytearray(blake2b(_encode(name), digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    text = digest.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
