"""Our relay as the process under test."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp

from benchmarks.bench import Bench, Scene
from connectors.embedded.child import Child, Command

READY_WITHIN_S: Final = 60.0
STOP_WITHIN_S: Final = 30.0


@asynccontextmanager
async def relay(bench: Bench, scene: Scene) -> AsyncIterator[Child]:
    """`beaas relay` reads the scene's outbox while the block runs.

    Raises:
        ServerError: it does not get ready.
    """
    command = Command(
        name="bench-relay",
        argv=(sys.executable, "-m", "streams.cli", "relay"),
        log=scene.settings.data_dir / "relay.log",
        environment=scene.environment,
    )
    command.log.parent.mkdir(parents=True, exist_ok=True)
    child = await Child.spawn(command, bench.directory / "children")
    try:
        await child.ready(lambda: _answers(scene), READY_WITHIN_S)
        yield child
    finally:
        await child.stop(STOP_WITHIN_S)


async def _answers(scene: Scene) -> bool:
    await asyncio.sleep(0.05)
    announced = scene.settings.data_dir / "health" / "relay-0.json"
    try:
        address = json.loads(announced.read_text())["url"] + "/readyz"
        async with aiohttp.ClientSession() as session, session.get(address) as response:
            return response.ok
    except (OSError, ValueError, aiohttp.ClientError):
        return False
