"""Running batch applications as a process, without Faust's command line."""

import asyncio
import gc
import signal

from streams.batching.app import BatchApp
from streams.batching.failure import die

_GC_THRESHOLDS = (50_000, 20, 50)
"""Young objects between two collections, and so on. A fetch alone makes thousands that all live until its flush: with
Python's 700 the collector takes 2 % of a rating fold, and finds nothing."""


async def run_worker(*apps: BatchApp) -> None:
    """Runs until SIGTERM or SIGINT, then flushes, commits and returns. Any error ends the process with status 70.

    `app.is_ready` says meanwhile whether it folds. Logging is the standard library's, as the caller has set it up.
    """
    gc.freeze()  # modules live as long as the process
    gc.set_threshold(*_GC_THRESHOLDS)
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with asyncio.TaskGroup() as group:
        for app in apps:
            group.create_task(_run(app, asked), name=app.app_id)


async def _run(app: BatchApp, asked: asyncio.Event) -> None:
    starting = asyncio.create_task(app.start())
    asking = asyncio.create_task(asked.wait())
    try:
        await asyncio.wait({starting, asking}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await asking
        async with asyncio.timeout(app.settings.stop_timeout_s):
            await app.stop()
            await asyncio.wait({starting})
    except Exception as error:  # noqa: BLE001 - the state of a half-started or half-stopped worker is in doubt
        die(f"{app.app_id}: starting or stopping", error)
