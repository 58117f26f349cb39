"""How other commands reach the running servers: settings left in the data directory for as long as somebody serves."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from connectors.embedded.data_directory import write_private
from connectors.embedded.errors import NotRunningError
from connectors.embedded.incarnation import Incarnation

_FILE: Final = "environment.json"


class _Served(msgspec.Struct, frozen=True):
    server: Incarnation
    environment: dict[str, str]


def publish_environment(data_dir: Path, environment: Mapping[str, str]) -> None:
    """Leaves the settings for other commands of this user; they count for as long as this process lives."""
    served = _Served(Incarnation.mine(), dict(environment))
    write_private(data_dir / _FILE, msgspec.json.encode(served))


def withdraw_environment(data_dir: Path) -> None:
    """Takes the settings back."""
    (data_dir / _FILE).unlink(missing_ok=True)


def read_environment(data_dir: Path) -> Mapping[str, str]:
    """Returns the settings that reach what runs on the data directory.

    Raises:
        NotRunningError: Nothing runs there, or it is still starting.
    """
    try:
        served = msgspec.json.decode((data_dir / _FILE).read_bytes(), type=_Served)
    except (FileNotFoundError, NotADirectoryError):
        served = None
    if served is None or not served.server.is_alive:
        raise NotRunningError(
            f"nothing runs on {data_dir.absolute()}: start it with `beaas up`, or name its --data-dir."
        )
    return served.environment


def export_lines(environment: Mapping[str, str]) -> str:
    """Returns the settings as shell lines, quoted: `eval "$(beaas env)"` takes them over."""
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
