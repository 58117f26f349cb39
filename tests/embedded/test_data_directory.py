import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.embedded.data_directory import DataDirectory
from connectors.embedded.environment import export_lines, publish_environment, read_environment, withdraw_environment
from connectors.embedded.errors import DataDirectoryError, NotRunningError
from connectors.embedded.ports import LOOPBACK, is_free, remembered_ports

OWNER = """
import pathlib, sys, time
from connectors.embedded.data_directory import DataDirectory
with DataDirectory(pathlib.Path(sys.argv[1])).owned():
    print("owned", flush=True)
    time.sleep(600)
"""


def test_a_directory_that_is_not_ours_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("ten years of work", encoding="utf-8")
    with pytest.raises(DataDirectoryError, match="was not made by beaas"), DataDirectory(tmp_path).owned():
        pytest.fail("it was taken")
    assert {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()} == {
        "thesis.tex": "ten years of work"
    }


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match="was not made by beaas"), DataDirectory(tmp_path / "file").owned():
        pytest.fail("it was taken")


def test_an_owned_directory_is_refused_to_a_second_owner_and_free_once_the_first_is_killed(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "servers")
    with subprocess.Popen([sys.executable, "-c", OWNER, directory.path], stdout=subprocess.PIPE, text=True) as owner:
        try:
            assert owner.stdout is not None
            assert owner.stdout.readline() == "owned\n"
            with pytest.raises(DataDirectoryError, match=f"in use by process {owner.pid}"), directory.owned():
                pytest.fail("it was taken twice")
        finally:
            owner.kill()
    with directory.owned():
        assert directory.path.is_dir()


def test_wiping_takes_all_but_what_says_whose_directory_it_is(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    directory = DataDirectory(tmp_path / "servers")
    with directory.owned():
        before = {path.name for path in directory.path.iterdir()}
        (directory.path / "kafka" / "logs").mkdir(parents=True)
        (directory.path / "link").symlink_to(outside)
        directory.wipe()
        assert {path.name for path in directory.path.iterdir()} == before
    assert (outside / "kept").exists()


def test_a_password_stays_the_same_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "servers")
    with directory.owned():
        first = directory.password("postgres")
        assert len(first) >= 32
        assert directory.password("registry") != first
        assert DataDirectory(directory.path).password("postgres") == first
        assert stat.S_IMODE((directory.path / "passwords.json").stat().st_mode) == 0o600


def test_ports_stay_the_same_until_somebody_else_listens_there(tmp_path: Path) -> None:
    path = tmp_path / "ports.json"
    first = remembered_ports(path, ("kafka", "postgres"))
    assert remembered_ports(path, ("kafka", "postgres")) == first
    with socket.create_server((LOOPBACK, first["kafka"])):
        assert not is_free(first["kafka"])
        second = remembered_ports(path, ("kafka", "postgres"))
    assert second["postgres"] == first["postgres"]
    assert second["kafka"] not in first.values()
    assert is_free(second["kafka"])


def test_a_shell_takes_the_exported_settings_over_exactly(tmp_path: Path) -> None:
    settings = {"BEAAS_DATA_DIR": "/it's a $(odd) `one`\n& more", "BEAAS_POSTGRES_URL": "postgresql://u:p@h/d"}
    publish_environment(tmp_path, settings)
    script = export_lines(read_environment(tmp_path)) + 'printf "%s|%s" "$BEAAS_DATA_DIR" "$BEAAS_POSTGRES_URL"'
    shown = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "|".join(settings.values())
    assert stat.S_IMODE((tmp_path / "environment.json").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "unserved",
    [
        lambda _path: None,
        withdraw_environment,
        lambda path: (path / "environment.json").write_text(
            '{"server":{"pid":1,"started":"of an earlier boot"},"environment":{}}', encoding="utf-8"
        ),
    ],
    ids=["never served", "withdrawn", "killed"],
)
def test_settings_that_nobody_serves_are_not_handed_out(tmp_path: Path, unserved: Callable[[Path], object]) -> None:
    if unserved is withdraw_environment:
        publish_environment(tmp_path, {"BEAAS_DATA_DIR": "/"})
    unserved(tmp_path)
    with pytest.raises(NotRunningError, match="start it with `beaas up`"):
        read_environment(tmp_path)
