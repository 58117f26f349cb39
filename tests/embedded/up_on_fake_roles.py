"""`beaas up` as a process of its own, with roles that a test can watch."""

import argparse
import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path

from connectors.embedded.errors import EmbeddedError
from connectors.embedded.up import Role, up

_STAYS = """
import os, pathlib, signal, sys, time
def drain(*_):
    pathlib.Path(os.environ["BEAAS_DATA_DIR"], "drained").write_text("yes")
    sys.exit(0)
signal.signal(signal.SIGTERM, drain)
pathlib.Path(os.environ["BEAAS_DATA_DIR"], "reached").write_text(os.environ["BEAAS_KAFKA_BOOTSTRAP_SERVERS"])
while True:
    time.sleep(60)
"""
_ASKS_ONCE = """
import os, pathlib, sys, time
asked = pathlib.Path(os.environ["BEAAS_DATA_DIR"], "asked")
if not asked.exists():
    asked.write_text("yes")
    sys.exit(70)
pathlib.Path(os.environ["BEAAS_DATA_DIR"], "again").write_text("yes")
time.sleep(600)
"""


async def prepare(environment: Mapping[str, str]) -> None:
    """Leaves a trace that the servers were reachable before any role started."""
    Path(environment["BEAAS_DATA_DIR"], "prepared").write_text("yes", encoding="utf-8")


def main() -> int:
    """Serves on the directory that is named."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data_dir", type=Path)
    arguments.add_argument("--fresh", action="store_true")
    chosen = arguments.parse_args()
    roles = [Role("stays", (sys.executable, "-c", _STAYS)), Role("asks", (sys.executable, "-c", _ASKS_ONCE))]
    try:
        asyncio.run(up(chosen.data_dir, services_only=False, fresh=chosen.fresh, roles=roles, prepare=prepare))
    except EmbeddedError as error:
        sys.stdout.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
