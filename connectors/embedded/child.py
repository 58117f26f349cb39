"""Child processes that leave nothing behind: recorded with pid and start time, each in a session of its own.

Two belts. On Linux the kernel sends a child its stop signal when the parent dies. And whatever still runs is found by
the record at the next start on the same directory and ended, if it is the very process that was recorded.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Self

import msgspec

from connectors.embedded.errors import ServerError
from connectors.embedded.incarnation import Incarnation

_LAUNCHER: Final = str(Path(__file__).with_name("launch.py"))
_POLL_INTERVAL_S: Final = 0.02
_LEFTOVER_GRACE_S: Final = 15.0
_LOG_LIMIT_BYTES: Final = 32 * 1024 * 1024
_TAIL_LINES: Final = 20
_TAIL_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True)
class Account:
    """The account a child runs under when ours is root and the child refuses root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, where its output goes, and how it is told to end.

    Attributes:
        name: Unique below one data directory; names the record.
        argv: The program's absolute path, then its arguments.
        log: The file that standard output and error are appended to.
        environment: The whole environment; the parent's own when None.
        account: The account to run under; the parent's own when None.
        stop_signal: Asks the program to end in order.
        kill_signal: Ends it at once.
        dies_with_parent: Whether the kernel sends the stop signal when the parent dies (Linux only).
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    environment: Mapping[str, str] | None = None
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    kill_signal: signal.Signals = signal.SIGKILL
    dies_with_parent: bool = True


class _Record(msgspec.Struct, frozen=True):
    """What a later start needs to end this child: who it is, and the signal that ends it in order."""

    incarnation: Incarnation
    stop_signal: int


class Child:
    """A running child process."""

    def __init__(self, command: Command, process: asyncio.subprocess.Process, record: Path) -> None:
        self.command = command
        self.pid = process.pid
        self._process = process
        self._record = record

    @classmethod
    async def spawn(cls, command: Command, records: Path) -> Self:
        """Starts the command and records it below `records`.

        The kernel counts the thread that calls this as the parent: it must live as long as the child should.
        """
        records.mkdir(parents=True, exist_ok=True)
        with _opened_log(command.log) as log:
            process = await asyncio.create_subprocess_exec(
                *_launched(command),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=command.environment,
                start_new_session=True,
            )
        record = records / f"{command.name}.json"
        if incarnation := Incarnation.of(process.pid):
            record.write_bytes(msgspec.json.encode(_Record(incarnation, command.stop_signal)))
        return cls(command, process, record)

    @property
    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    async def ended(self) -> int:
        """Waits until it has ended, by itself or not, and returns its exit status."""
        status = await self._process.wait()
        self._record.unlink(missing_ok=True)
        return status

    async def ready(self, answers: Callable[[], Awaitable[bool]], within_s: float) -> None:
        """Waits until the child answers.

        Raises:
            ServerError: It ended, or did not answer in time; the end of its log is in the text.
        """
        deadline = time.monotonic() + within_s
        while not await answers():
            if self.exit_status is not None:
                raise ServerError(f"{self.command.name} ended with status {self.exit_status}.{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.command.name} did not answer within {within_s:g} s.{self.log_tail()}")
            await asyncio.sleep(_POLL_INTERVAL_S)

    async def stop(self, within_s: float) -> int:
        """Asks it to end, kills it if it has not after so many seconds, and returns its exit status."""
        self._send(self.command.stop_signal)
        try:
            return await asyncio.wait_for(self.ended(), within_s)
        except TimeoutError:
            self.kill()
            return await self.ended()

    def hurry(self) -> None:
        """Ends it at once, by the signal that the program takes for this."""
        self._send(self.command.kill_signal)

    def kill(self) -> None:
        """Ends it and its process group as a crash would: nothing in it runs any more code."""
        if self.exit_status is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def log_tail(self) -> str:
        """Returns the last lines of its log, for an error's text."""
        with self.command.log.open("rb") as log:
            log.seek(max(0, self.command.log.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
        return "\n  ".join([f" The end of {self.command.log}:", *lines])


async def run_to_end(command: Command, records: Path, within_s: float) -> None:
    """Runs a command that ends by itself.

    Raises:
        ServerError: It failed or took too long; the end of its log is in the text.
    """
    child = await Child.spawn(command, records)
    try:
        status = await asyncio.wait_for(child.ended(), within_s)
    except TimeoutError:
        raise ServerError(f"{command.name} did not end within {within_s:g} s.{child.log_tail()}") from None
    finally:
        child.kill()
        await child.ended()
    if status:
        raise ServerError(f"{command.name} failed with status {status}.{child.log_tail()}")


async def end_leftovers(records: Path) -> list[str]:
    """Ends what a killed parent left running and returns the names; other processes are never touched.

    A process is ended only if both its pid and its start time are the recorded ones.
    """
    found = {path: _read_record(path) for path in sorted(records.glob("*.json"))}
    alive = {path: record for path, record in found.items() if record and record.incarnation.is_alive}
    for record in alive.values():
        _signal(record.incarnation, record.stop_signal)
    if not await _all_ended(alive.values(), _LEFTOVER_GRACE_S):
        for record in alive.values():
            _signal(record.incarnation, signal.SIGKILL)
        if not await _all_ended(alive.values(), _LEFTOVER_GRACE_S):
            raise ServerError(f"processes of an earlier start cannot be ended: {', '.join(p.stem for p in alive)}.")
    for path in found:
        path.unlink(missing_ok=True)
    return [path.stem for path in alive]


def _read_record(path: Path) -> _Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Record)
    except msgspec.DecodeError:  # torn by a crash of the machine; then its process is gone too
        return None


async def _all_ended(records: Collection[_Record], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while any(record.incarnation.is_alive for record in records):
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_INTERVAL_S)
    return True


def _signal(incarnation: Incarnation, number: int) -> None:
    if incarnation.is_alive:
        with suppress(ProcessLookupError):
            (os.killpg if number == signal.SIGKILL else os.kill)(incarnation.pid, number)


def _launched(command: Command) -> tuple[str, ...]:
    account = command.account or Account(-1, -1)
    death_signal = command.stop_signal if command.dies_with_parent else 0
    numbers = (os.getpid(), int(death_signal), account.uid, account.gid)
    return (sys.executable, "-I", "-S", _LAUNCHER, *map(str, numbers), *command.argv)


def _opened_log(path: Path) -> BinaryIO:
    """Opens a log for appending; one that grew large is kept once under `.1`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    return path.open("ab")
