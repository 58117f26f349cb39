"""What the kernel says about processes: who belongs to a directory, and where they listen."""

import os
import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

_LISTENING = "0A"


def processes_of(directory: Path) -> dict[int, str]:
    """Returns every living process whose command line or environment names the directory, by pid."""
    wanted = re.compile(re.escape(os.fsencode(directory)) + rb"(?![^/\0:,;=])")
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        if int(entry.name) == os.getpid():
            continue
        try:
            words = (entry / "cmdline").read_bytes()
            if wanted.search(words) or wanted.search((entry / "environ").read_bytes()):
                found[int(entry.name)] = words.replace(b"\0", b" ").decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def listening_addresses(pids: Iterable[int]) -> list[tuple[str, int]]:
    """Returns the addresses and ports the processes listen on, sorted."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    found = []
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for row in Path(table).read_text(encoding="ascii").splitlines()[1:]:
            _, local, _, state, *_, inode = row.split()[:10]
            if state == _LISTENING and inode in inodes:
                address, _, port = local.partition(":")
                found.append((_readable(address), int(port, 16)))
    return sorted(found)


def _socket_inodes(pid: int) -> list[str]:
    targets = [
        str(descriptor.readlink()) for descriptor in Path(f"/proc/{pid}/fd").iterdir() if descriptor.is_symlink()
    ]
    return [target[len("socket:[") : -1] for target in targets if target.startswith("socket:[")]


def _readable(address: str) -> str:
    """Turns the kernel's form into the usual: 32-bit words in this machine's byte order."""
    words = [int(address[at : at + 8], 16).to_bytes(4, "little") for at in range(0, len(address), 8)]
    raw = b"".join(words)
    return str(IPv4Address(raw) if len(raw) == 4 else IPv6Address(raw))
