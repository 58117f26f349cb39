"""The links of a bench, as the one who hurts them sees them."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec

from tests.faults.rig.proxy import LinkSpec, Mode, Setting, Told

_PROXY: Final = Path(__file__).with_name("proxy.py")
_STOP_S: Final = 5.0


class Links:
    """Sets links; those that were set stay so until `heal`."""

    def __init__(self, process: asyncio.subprocess.Process, names: Sequence[str]) -> None:
        self._process, self.names = process, tuple(names)
        self._turn = asyncio.Lock()

    async def become(self, setting: Setting) -> int:
        """The link behaves so from now on; returns how many connections it had."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            self._process.stdin.write(msgspec.json.encode(setting) + b"\n")
            told = await self._process.stdout.readline()
        return msgspec.json.decode(told, type=Told).connections

    async def heal(self, *names: str) -> None:
        """These links pass again; all of them where none is named."""
        for name in names or self.names:
            await self.become(Setting(name, Mode.PASS))


@asynccontextmanager
async def carried(specs: Sequence[LinkSpec], log: Path) -> AsyncIterator[Links]:
    """All links are carried by a proxy process while the block runs."""
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(_PROXY),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(specs) + b"\n")
        await process.stdout.readline()
        yield Links(process, [spec.name for spec in specs])
    finally:
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), _STOP_S)
        except TimeoutError:
            process.kill()
            await process.wait()
