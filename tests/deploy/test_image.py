"""What containers run on: the wheel holds all that a role needs, the compose file all that an operator does."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
ROLES = {"intake", "rating", "sinks", "relay", "scheduler"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as the Dockerfile does."""
    target = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)], cwd=ROOT, check=True)
    return next(target.glob("beaas-*.whl"))


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """The file with its merges resolved, as `docker compose` reads it."""
    return dict(yaml.safe_load(COMPOSE.read_text()))


def test_the_wheel_holds_every_schema_and_every_migration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {
        str(path.relative_to(ROOT))
        for pattern in ("schemas/**/*.avsc", "migrations/**/*.sql")
        for path in ROOT.glob(pattern)
    }
    assert wanted
    assert wanted - names == set()
    assert not {name for name in names if name.startswith(("tests/", "tools/", "examples/"))}


def test_the_installed_wheel_runs_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    program = (
        "import sys; sys.path.insert(0, 'installed');"
        "import streams.cli, schemas.codec, connectors.postgres.migrate as m;"
        "assert streams.cli.__file__.startswith(sys.argv[1]), streams.cli.__file__;"
        "assert len(m.migrations()) > 10;"
        "streams.cli.app(['--help'])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "worker" in ran.stdout


def test_every_role_is_a_service_of_one_image_with_a_health_check(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert services.keys() >= ROLES
    for role in ROLES:
        service = services[role]
        assert service["image"] == services["setup"]["image"]
        assert service["command"][0] in {"worker", role}
        assert service["healthcheck"]["test"][0] == "CMD"
        assert service["restart"] == "unless-stopped"  # status 70 means: restart me
        assert service["cap_drop"] == ["ALL"]
    for server in ("kafka", "postgres", "registry"):
        assert services[server]["healthcheck"]["test"]
        assert ":" in services[server]["image"]


def test_ports_are_published_on_loopback_only_and_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for variable, value in service.get("environment", {}).items():
            if "PASSWORD" in variable or "URL" in variable:
                assert "PASSWORD" not in variable or str(value).startswith("${BEAAS_POSTGRES_PASSWORD:?"), variable
    assert (ROOT / ".env.example").read_text().strip().endswith("BEAAS_POSTGRES_PASSWORD=")


def test_docker_itself_reads_the_file() -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False, capture_output=True).returncode:
        pytest.skip("docker compose is not installed")
    environment = {**os.environ, "BEAAS_POSTGRES_PASSWORD": "not-a-secret"}
    ran = subprocess.run(
        [docker, "compose", "-f", str(COMPOSE), "config", "--quiet"], env=environment, check=False, capture_output=True
    )
    assert ran.returncode == 0, ran.stderr.decode()


def test_every_volume_that_is_mounted_is_declared(compose: dict[str, Any]) -> None:
    mounted = {
        volume.partition(":")[0] for service in compose["services"].values() for volume in service.get("volumes", [])
    }
    assert mounted == compose["volumes"].keys()


def test_every_setting_in_the_file_is_one_that_exists(compose: dict[str, Any]) -> None:
    from streams.settings import Settings  # noqa: PLC0415 - only here

    known = {f"BEAAS_{name.upper()}" for name in Settings.model_fields}
    for service in compose["services"].values():
        named = {name for name in service.get("environment", {}) if name.startswith("BEAAS_")}
        assert named <= known
