"""A logical replication stream over psycopg alone: one reader of one slot."""

import asyncio
import re
import time
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg import generators
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult
from psycopg.rows import TupleRow

from connectors.relay.errors import RelayError, SlotBusy, SlotLost, StreamEnded, Unreachable, WrongSetup
from connectors.relay.pgoutput import Batch, Decoder, status

STATUS_INTERVAL_S: Final = 1.0
_SILENCE_S: Final = 30.0  # every status asks for an answer: a server that gives none for so long is not there
_CLOSE_S: Final = 5.0
_IDENTIFIER: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


class ReplicationStream:
    """The committed inserts of one publication, in commit order, from what the slot has confirmed.

    Whoever iterates by `read` also runs `keep_alive` beside it. Reading stops when nobody reads: the server then keeps
    what is left in its log, so memory is bounded by the limits of one batch and the socket's buffers.
    """

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow], decoder: Decoder) -> None:
        self._connection = connection
        self._pg = connection.pgconn
        self._decoder = decoder

    @classmethod
    async def open(cls, postgres_url: str, *, slot: str, publication: str) -> Self:
        """Starts reading the slot; it belongs to this stream until that is closed.

        Raises:
            SlotBusy: another session has it.
            SlotLost: it is missing or invalidated.
            WrongSetup: PostgreSQL refuses for another reason.
            Unreachable: PostgreSQL does not answer.
        """
        for name in (slot, publication):
            if not _IDENTIFIER.fullmatch(name):
                raise WrongSetup(f"{name!r} cannot name a slot or a publication: a-z, 0-9 and _, at most 63.")
        try:
            connection = await psycopg.AsyncConnection.connect(postgres_url, autocommit=True, replication="database")
        except psycopg.OperationalError as error:
            raise Unreachable(f"PostgreSQL does not answer: {error}") from error
        try:
            await _start(connection, slot, publication)
        except BaseException:
            await connection.close()
            raise
        return cls(connection, Decoder())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes; without an error the server is told the last confirmed position and has answered."""
        try:
            if kind is None:
                async with asyncio.timeout(_CLOSE_S):
                    await self._finish()
        except (TimeoutError, psycopg.Error, StreamEnded):
            pass  # what was confirmed and not heard is only sent again
        finally:
            await self._connection.close()

    async def read(self, *, max_events: int, max_bytes: int) -> Batch:
        """Waits for rows; returns all that are there, about `max_events` or `max_bytes` at most.

        A cancelled read loses nothing: it waits only where it holds no rows.

        Raises:
            StreamEnded: the server ended the stream, or has been silent for half a minute.
            UnknownLayout: it sent what this relay cannot read.
        """
        decoder = self._decoder
        while (room := max_events - len(decoder.rows)) > 0 and decoder.size_bytes < max_bytes:
            frames = self._frames(room, max_bytes - decoder.size_bytes)
            if frames:
                if decoder.feed_all(frames):
                    self._send_status()
            elif decoder.has_batch:
                break
            else:
                await self._readable()
        return decoder.take()

    def confirm(self, lsn: int) -> None:
        """Everything up to `lsn` is durable elsewhere; the server hears it with the next status."""
        self._decoder.confirm(lsn)

    @property
    def position(self) -> int:
        """The position that the server is told it may forget."""
        return self._decoder.position

    async def keep_alive(self) -> None:
        """Tells the server each second what is confirmed, for ever.

        Raises:
            StreamEnded: it cannot be told.
        """
        while True:
            self._send_status()
            await asyncio.sleep(STATUS_INTERVAL_S)

    def _send_status(self) -> None:
        try:
            self._pg.put_copy_data(status(self._decoder.position, time.time(), wants_answer=True))
            self._pg.flush()  # what a full socket does not take goes with the next one
        except psycopg.Error as error:
            raise StreamEnded(f"PostgreSQL has closed the stream ({_line(error)}): start again.") from error

    def _frames(self, most: int, most_bytes: int) -> list[bytes]:
        """Returns the frames that are there, about so many and so large at most."""
        frames: list[bytes] = []
        get, append = self._pg.get_copy_data, frames.append
        just_received = False
        while len(frames) < most and most_bytes > 0:
            size, frame = get(1)
            if size > 0:
                append(bytes(frame))
                most_bytes -= size
                just_received = False
            elif size < 0:
                raise self._ended()
            elif just_received:
                break
            else:
                self._receive()
                just_received = True
        return frames

    def _receive(self) -> None:
        try:
            self._pg.consume_input()
        except psycopg.Error as error:
            raise StreamEnded(f"PostgreSQL has closed the stream ({_line(error)}): start again.") from error

    def _ended(self) -> StreamEnded:
        result = self._pg.get_result()
        reason = _message(result) if result is not None else ""
        return StreamEnded(f"PostgreSQL has ended the stream ({reason or 'it is stopping'}): start again.")

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        socket = self._pg.socket
        loop.add_reader(socket, _settle, ready)
        try:
            async with asyncio.timeout(_SILENCE_S):
                await ready
        except TimeoutError:
            raise StreamEnded(f"PostgreSQL has been silent for {_SILENCE_S:g} s: start again.") from None
        finally:
            loop.remove_reader(socket)

    async def _finish(self) -> None:
        """Sends the last status and the end; the server answers the end after it has read the status."""
        self._send_status()
        self._pg.put_copy_end()
        self._pg.flush()
        while True:
            self._pg.consume_input()
            size, _ = self._pg.get_copy_data(1)
            if size < 0:
                return
            if size == 0:
                await self._readable()


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():  # the loop may call again before the reader is removed
        ready.set_result(None)


async def _start(connection: psycopg.AsyncConnection[TupleRow], slot: str, publication: str) -> None:
    command = (
        f"START_REPLICATION SLOT {slot} LOGICAL 0/0 "
        f"(proto_version '1', publication_names '{publication}', binary 'true')"
    )
    connection.pgconn.send_query(command.encode())
    results = await connection.wait(generators.execute(connection.pgconn))
    if results[-1].status != ExecStatus.COPY_BOTH:
        raise _refusal(results[-1], slot)


def _refusal(result: PGresult, slot: str) -> RelayError:
    state = (result.error_field(psycopg.pq.DiagnosticField.SQLSTATE) or b"").decode()
    match state:
        case "55006":  # object_in_use
            return SlotBusy(f"{_message(result)}: another relay reads it; this one takes over when that one ends.")
        case "42704" | "55000":  # undefined_object, object_not_in_prerequisite_state (invalidated)
            return SlotLost(f"{_message(result)}: it has to be rebuilt from the table.")
        case _:
            return WrongSetup(f"PostgreSQL does not stream slot {slot}: {_message(result)} (SQLSTATE {state}).")


def _message(result: PGresult) -> str:
    return (result.error_field(psycopg.pq.DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
