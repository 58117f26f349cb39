"""How a transfer is shown: a bar on a terminal, two plain lines in a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn, TransferSpeedColumn

Advance = Callable[[int], None]


@contextmanager
def transfer_progress(total_bytes: int) -> Iterator[Advance]:
    """Shows a transfer of so many bytes while the block runs; the block gets a function that counts bytes."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    if console.is_terminal:
        with _bar(console) as bar:
            task = bar.add_task("fetching the embedded servers", total=total_bytes)
            yield lambda size_bytes: bar.advance(task, size_bytes)
        return
    console.print(f"fetching the embedded servers: {total_bytes / 1e6:.0f} MB")
    started = time.monotonic()
    yield lambda _size_bytes: None
    console.print(f"fetched in {time.monotonic() - started:.1f} s")


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=console,
    )
