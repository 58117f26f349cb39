"""How cells and the frontier are stored; apart from them, since a compiler takes them and not these."""

from typing import Final

import msgspec

from billing.accumulator import State


class CellRecord(msgspec.Struct, array_like=True, frozen=True):
    """All of a cell but its place, which its key names."""

    version: int
    group: tuple[str, ...]
    accumulator: State
    values: State | None
    carried: str | None
    events: bytes
    billed: tuple[str, str] | None  # texts: msgpack has no integer of more than 64 bits


class FrontierRecord(msgspec.Struct, array_like=True, frozen=True):
    """All of a frontier."""

    version: int
    ceiling_us: int
    marks: list[tuple[int, int]]


encode_record: Final = msgspec.msgpack.Encoder().encode
decode_cell: Final = msgspec.msgpack.Decoder(CellRecord).decode
decode_frontier: Final = msgspec.msgpack.Decoder(FrontierRecord).decode
