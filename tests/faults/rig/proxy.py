"""A TCP proxy in a process of its own: one link for each way between two processes, each to be hurt by itself.

Told what to do by one JSON line a command on standard input, answered by one line on standard output. Run as a script.
"""

import asyncio
import random
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from typing import Final, assert_never

import msgspec

LOOPBACK: Final = "127.0.0.1"
_CHUNK_BYTES: Final = 65_536
_SINGLE_BYTES: Final = 24  # of each chunk: a frame's length and header come byte by byte, the rest in a few pieces
_HANG_UP_HARD: Final = struct.pack("ii", 1, 0)  # SO_LINGER with no time: the close is a RST


class Mode(StrEnum):
    """How a link behaves; toxiproxy's vocabulary."""

    PASS = "pass"
    STALL = "stall"  # nothing gets through, nobody is told (no FIN)
    RESET = "reset"  # every connection ends with a RST, then it passes again
    REFUSE = "refuse"  # nobody listens, and what was connected ends with a RST
    DELAY = "delay"  # each piece arrives late
    SLICE = "slice"  # bytes come one by one


class Way(StrEnum):
    """Which half of a connection."""

    UP = "up"  # from the one who connected
    DOWN = "down"
    BOTH = "both"


class LinkSpec(msgspec.Struct, frozen=True):
    """A link: who connects to the port reaches the target port."""

    name: str
    port: int
    target: int


class Setting(msgspec.Struct, frozen=True):
    """What a link is told to do, from now on."""

    link: str
    mode: Mode
    way: Way = Way.BOTH
    delay_s: float = 0.0
    jitter_s: float = 0.0
    seed: int = 0


class Told(msgspec.Struct, frozen=True):
    """The answer to a setting: how many connections the link had."""

    link: str
    connections: int


class Link:
    """One way between two processes."""

    def __init__(self, spec: LinkSpec) -> None:
        self._spec = spec
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._set(Setting(spec.name, Mode.PASS))

    async def listen(self) -> None:
        """Whoever connects from now on is carried."""
        if self._server is None:
            self._server = await asyncio.start_server(self._carry, LOOPBACK, self._spec.port)

    async def become(self, setting: Setting) -> Told:
        """The link behaves so from now on, for the connections it has too."""
        told = Told(self._spec.name, len(self._open) // 2)
        self._set(setting)
        match setting.mode:
            case Mode.REFUSE:
                if self._server is not None:
                    self._server.close()
                    self._server = None
                self._hang_up()
            case Mode.RESET:
                self._hang_up()
                await self.listen()
            case Mode.PASS | Mode.STALL | Mode.DELAY | Mode.SLICE:
                await self.listen()
            case _:
                assert_never(setting.mode)
        return told

    def _set(self, setting: Setting) -> None:
        self._setting, self._random = setting, random.Random(setting.seed)
        self._flows = {way: asyncio.Event() for way in (Way.UP, Way.DOWN)}
        former = getattr(self, "_changed", None)
        self._changed = asyncio.Event()
        for way, flows in self._flows.items():
            if setting.mode is not Mode.STALL or setting.way not in {way, Way.BOTH}:
                flows.set()
        if former is not None:
            former.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        onward: asyncio.StreamWriter | None = None
        try:
            await self._may_flow(Way.UP)
            answers, onward = await asyncio.open_connection(LOOPBACK, self._spec.target)
            self._open.add(onward)
            for end in (writer, onward):
                end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.gather(self._pump(reader, onward, Way.UP), self._pump(answers, writer, Way.DOWN))
        except OSError:
            self._hang_up_one(writer)
        finally:
            for opened in (writer, onward):
                if opened is not None:
                    self._open.discard(opened)
                    opened.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Way) -> None:
        while chunk := await reader.read(_CHUNK_BYTES):
            for piece in self._pieces(chunk):
                await self._may_flow(way)
                writer.write(piece)
                await writer.drain()
        await self._may_flow(way)
        with suppress(OSError):
            writer.write_eof()  # half a connection may go on

    async def _may_flow(self, way: Way) -> None:
        while not self._flows[way].is_set():
            await self._changed.wait()
        setting = self._setting
        if setting.mode is Mode.DELAY:
            await asyncio.sleep(max(0.0, setting.delay_s + self._random.uniform(-1, 1) * setting.jitter_s))

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        if self._setting.mode is not Mode.SLICE:
            yield chunk
            return
        yield from (chunk[at : at + 1] for at in range(min(_SINGLE_BYTES, len(chunk))))
        rest = chunk[_SINGLE_BYTES:]
        while rest:
            size = self._random.randint(1, max(1, len(rest)))
            yield rest[:size]
            rest = rest[size:]

    def _hang_up(self) -> None:
        for end in tuple(self._open):
            self._hang_up_one(end)

    def _hang_up_one(self, end: asyncio.StreamWriter) -> None:
        plain = end.get_extra_info("socket")
        with suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _HANG_UP_HARD)
        end.transport.abort()
        self._open.discard(end)


async def serve(specs: Sequence[LinkSpec], settings: Callable[[], Awaitable[bytes]]) -> None:
    """Carries all links, and sets them as told, until standard input ends."""
    links = {spec.name: Link(spec) for spec in specs}
    for link in links.values():
        await link.listen()
    _say(Told("", len(links)))
    while line := await settings():
        setting = msgspec.json.decode(line, type=Setting)
        _say(await links[setting.link].become(setting))


def _say(told: Told) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.stdout.buffer.flush()


async def main() -> None:
    """The first line names the links; each further one is a setting."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    specs = msgspec.json.decode(await reader.readline(), type=list[LinkSpec])
    serving = asyncio.get_running_loop()
    # a connection that is reset under way is what this is for
    serving.set_exception_handler(lambda _loop, _context: None)
    await serve(specs, reader.readline)


if __name__ == "__main__":
    asyncio.run(main())
