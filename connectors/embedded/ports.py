"""Loopback ports that stay the same from one start to the next, and that no client can sit on meanwhile."""

import random
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from connectors.embedded.errors import ServerError

LOOPBACK: Final = "127.0.0.1"

# Below the ports that Linux and macOS hand to outgoing connections (from 32768 and 49152): in that range a client that
# keeps trying a stopped server's port may be given this very port for itself, and then the server cannot start again.
_CANDIDATES: Final = range(20_000, 32_000)
_ATTEMPTS: Final = 200


def is_free(port: int) -> bool:
    """Tells whether a server could listen on the loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def remembered_ports(path: Path, names: Iterable[str]) -> dict[str, int]:
    """Returns a free port for each name, the same as last time where that one is still free, and remembers them.

    Args:
        path: The file they are remembered in.
        names: What the ports are for.

    Raises:
        ServerError: No free port was found.
    """
    before = msgspec.json.decode(path.read_bytes(), type=dict[str, int]) if path.exists() else {}
    ports: dict[str, int] = {}
    for name in names:
        last = before.get(name)
        ports[name] = last if last and is_free(last) else _free_port({*before.values(), *ports.values()})
    path.write_bytes(msgspec.json.encode(before | ports))
    return ports


def _free_port(taken: set[int]) -> int:
    for port in random.sample(_CANDIDATES, _ATTEMPTS):
        if port not in taken and is_free(port):
            return port
    raise ServerError(f"no free port between {_CANDIDATES.start} and {_CANDIDATES.stop} on {LOOPBACK}.")
