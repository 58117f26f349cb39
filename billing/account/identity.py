"""Names that are functions of what they name: of usage, its content, commands and statements."""

from hashlib import blake2b
from typing import Final, Protocol

import msgspec

from billing.entry import Command, Usage

VOIDED: Final = b"\xff" * 8
"""Stands in `Seen` for the digest of an id that was voided; its position is then the void's."""
REFUSED: Final = b"\xfe" * 8
"""Stands in `Seen` for the digest of an id that was taken and refused after all: it is as good as never seen."""

_encode: Final = msgspec.msgpack.Encoder().encode  # every string carries its length, so no two tuples encode alike


class Seen(Protocol):
    """The usage ids that were counted or voided; the account asks it and tells it, the shell keeps and expires it.

    A value is the journal position of the first arrival and the digest of its content, or the position of the void and
    `VOIDED`. What was refused is not in it, or as `REFUSED`, so that it counts when it is sent again.
    """

    def get(self, key: bytes, /) -> tuple[int, bytes] | None:
        """Returns what is known of the id."""

    def put(self, key: bytes, known: tuple[int, bytes], /) -> None:
        """Remembers an id, or that it is voided now."""


class SeenInMemory(dict[bytes, tuple[int, bytes]]):
    """Remembers every id for as long as it lives: for a replay, a scenario, a test."""

    __slots__ = ()

    def put(self, key: bytes, known: tuple[int, bytes], /) -> None:
        """Remembers an id, or that it is voided now."""
        self[key] = known


def is_new(known: tuple[int, bytes] | None) -> bool:
    """Whether usage counts whose id is known so."""
    return known is None or known[1] == REFUSED


def usage_key(usage: Usage) -> bytes:
    """Returns the 16 bytes that stand for the identity (tenant, customer, source, id)."""
    return id_key(usage.tenant, usage.customer, usage.source, usage.id)


def id_key(tenant: str, customer: str, source: str, usage_id: str) -> bytes:
    """Returns the 16 bytes that stand for the identity of usage."""
    return blake2b(_encode((tenant, customer, source, usage_id)), digest_size=16).digest()


def usage_digest(usage: Usage) -> bytes:
    """Returns 8 bytes of the whole content: equal where a repeat says the same, in whatever order of properties."""
    properties = usage.properties
    content = (
        usage.type,
        usage.occurred_at_us,
        sorted(properties.items()) if len(properties) > 1 else list(properties.items()),
        usage.subscription,
    )
    return blake2b(_encode(content), digest_size=8).digest()


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
