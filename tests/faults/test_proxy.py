import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from connectors.embedded.ports import remembered_ports
from tests.faults.rig.links import Links, carried
from tests.faults.rig.proxy import LOOPBACK, LinkSpec, Mode, Setting, Way

AT_ONCE_S, NEVER_S = 60.0, 0.3


class Echo:
    """A server that answers with what it got, and says goodbye once its client has."""

    def __init__(self, links: Links, port: int) -> None:
        self.links, self.port = links, port

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection through the link."""
        return await asyncio.open_connection(LOOPBACK, self.port)

    async def become(self, mode: Mode, way: Way = Way.BOTH, delay_s: float = 0.0) -> int:
        """The link behaves so."""
        return await self.links.become(Setting("echo", mode, way, delay_s))


@pytest_asyncio.fixture
async def echo(tmp_path: Path) -> AsyncIterator[Echo]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while text := await reader.read(65_536):
                writer.write(text)
                await writer.drain()
            writer.write(b"bye")
            await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    ports = remembered_ports(tmp_path / "ports.json", ["proxy", "echo"])
    async with AsyncExitStack() as stack:
        server = await asyncio.start_server(answer, LOOPBACK, ports["echo"])
        stack.callback(server.close)
        spec = LinkSpec("echo", ports["proxy"], ports["echo"])
        links = await stack.enter_async_context(carried([spec], tmp_path / "proxy.log"))
        yield Echo(links, ports["proxy"])


async def said(echo: Echo, text: bytes) -> bytes:
    reader, writer = await echo.connect()
    writer.write(text)
    answer = await asyncio.wait_for(reader.readexactly(len(text)), AT_ONCE_S)
    writer.close()
    return answer


async def test_bytes_pass_both_ways_and_half_a_connection_goes_on(echo: Echo) -> None:
    reader, writer = await echo.connect()
    writer.write(b"x" * 300_000)
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(-1), AT_ONCE_S) == b"x" * 300_000 + b"bye"
    writer.close()


@pytest.mark.parametrize("way", [Way.UP, Way.DOWN, Way.BOTH])
async def test_a_stalled_link_says_nothing_and_loses_nothing(echo: Echo, way: Way) -> None:
    reader, writer = await echo.connect()
    writer.write(b"one")
    assert await asyncio.wait_for(reader.readexactly(3), AT_ONCE_S) == b"one"
    assert await echo.become(Mode.STALL, way) == 1
    writer.write(b"two")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), NEVER_S)
    await echo.become(Mode.PASS)
    assert await asyncio.wait_for(reader.readexactly(3), AT_ONCE_S) == b"two"
    writer.close()


async def test_a_reset_breaks_what_is_open_and_lets_new_connections_in(echo: Echo) -> None:
    reader, writer = await echo.connect()
    writer.write(b"one")
    assert await asyncio.wait_for(reader.readexactly(3), AT_ONCE_S) == b"one"
    await echo.become(Mode.RESET)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), AT_ONCE_S)
    writer.close()
    assert await said(echo, b"again") == b"again"


async def test_a_refusing_link_takes_nobody_until_it_is_healed(echo: Echo) -> None:
    await echo.become(Mode.REFUSE)
    with pytest.raises(ConnectionRefusedError):
        await echo.connect()
    await echo.links.heal()
    assert await said(echo, b"again") == b"again"


async def test_a_delay_is_added_on_each_way(echo: Echo) -> None:
    await echo.become(Mode.DELAY, delay_s=0.1)
    began = time.monotonic()
    assert await said(echo, b"late") == b"late"
    assert time.monotonic() - began >= 0.2


async def test_slices_change_no_byte(echo: Echo) -> None:
    await echo.become(Mode.SLICE)
    text = bytes(range(256)) * 8
    assert await said(echo, text) == text
