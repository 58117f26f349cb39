"""The history: one JSON object a line, in the order in which things happened to the generator.

| `e` | what it says |
|---|---|
| `begin` | the first line: `n` is the seed; the header `n` of every record is `seed/attempt` |
| `invoke` | something is about to be asked of the system; `n` names this attempt |
| `ok` | the attempt took effect: usage was acknowledged at `partition` and `offset`, a command was committed |
| `fail` | the attempt had no effect and never will: a command was refused (`why` says how) |
| `info` | nobody knows; the same is asked again under a new `n`, with the same ids |
| `end` | the generator has finished; all that it asked was answered `ok` or `fail` |

Of usage, `sent` says what was sent; of everything else, `asked` does. `first` is the first attempt at the same thing.
"""

from collections.abc import Iterator
from pathlib import Path
from time import time
from typing import Final, Literal

import msgspec

Outcome = Literal["ok", "fail", "info"]
_FLUSH_EACH_BYTES: Final = 1 << 16


class Content(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one usage event says, however it is written."""

    tenant: str
    customer: str
    id: str
    source: str
    type: str
    at_us: int
    properties: dict[str, str]
    subscription: str | None = None


class Sent(msgspec.Struct, frozen=True, omit_defaults=True):
    """A usage record: `digest` is the BLAKE2b of its value (32 hex digits), "" of a tombstone.

    `plant` names the poison in it and `reason` the dead letter that this must become; both are "" of good usage.
    """

    tenant: str
    digest: str
    key: str | None = None
    content: Content | None = None
    plant: str = ""
    reason: str = ""


class Asked(msgspec.Struct, frozen=True, omit_defaults=True):
    """Anything but usage: `apply`, `clock`, `void`, `grant`, or the name of a command to a subscription.

    `at` is the instant (RFC 3339) to which a clock is moved or at which it stands; `document` a tenant of an apply
    file; `twin` says that the same was asked a second time at the same moment.
    """

    what: str
    tenant: str
    at: str
    subscription: str = ""
    customer: str = ""
    id: str = ""
    source: str = ""
    amount: str = ""
    document: dict[str, object] | None = None
    twin: bool = False


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of a history; see the module's table."""

    e: Literal["begin", "invoke", "ok", "fail", "info", "end"]
    n: int = 0
    t_ms: int = 0
    first: int = 0
    sent: Sent | None = None
    asked: Asked | None = None
    partition: int = -1
    offset: int = -1
    why: str = ""


class HistoryLog:
    """Writes a history; what was written stands in the file after `close`, or 64 KiB later."""

    def __init__(self, path: Path, seed: int) -> None:
        self._file = path.open("wb")
        self._encode = msgspec.json.Encoder().encode
        self._pending = bytearray()
        self._attempts = 0
        self.seed = seed
        self._write(Line("begin", seed, _now_ms()))

    def invoke(self, *, sent: Sent | None = None, asked: Asked | None = None, first: int = 0) -> int:
        """An attempt begins; returns its number."""
        self._attempts += 1
        self._write(Line("invoke", self._attempts, _now_ms(), first or self._attempts, sent=sent, asked=asked))
        return self._attempts

    def acknowledged(self, attempt: int, partition: int, offset: int) -> None:
        """Usage stands in the topic."""
        self._write(Line("ok", attempt, _now_ms(), partition=partition, offset=offset))

    def outcome(self, attempt: int, outcome: Outcome, why: str = "") -> None:
        """What became of any other attempt."""
        self._write(Line(outcome, attempt, _now_ms(), why=why))

    def end(self) -> None:
        """Nothing more comes."""
        self._write(Line("end", t_ms=_now_ms()))

    def close(self) -> None:
        """All of it stands in the file."""
        self._flush()
        self._file.close()

    def _write(self, line: Line) -> None:
        self._pending += self._encode(line) + b"\n"
        if len(self._pending) > _FLUSH_EACH_BYTES:
            self._flush()

    def _flush(self) -> None:
        self._file.write(self._pending)
        self._file.flush()
        self._pending.clear()


def read_history(path: Path) -> Iterator[Line]:
    """Yields the lines of a history in their order."""
    decode = msgspec.json.Decoder(Line).decode
    with path.open("rb") as file:
        for line in file:
            yield decode(line)


def _now_ms() -> int:
    return int(time() * 1000)
