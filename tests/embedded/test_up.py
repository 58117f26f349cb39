import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from connectors.embedded.environment import read_environment
from connectors.embedded.errors import NotRunningError
from tests.support.processes import processes_of

SCRIPT = Path(__file__).with_name("up_on_fake_roles.py")
WITHIN_S = 90


@contextmanager
def started(data_dir: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Runs `up` in a process of its own; whatever the test did not end is killed."""
    argv = [sys.executable, str(SCRIPT), str(data_dir), *options]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        try:
            yield running
        finally:
            running.kill()


async def until(running: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert running.poll() is None, running.communicate()[0]
        assert time.monotonic() < deadline, "it did not come about in time"
        await asyncio.sleep(0.05)


def serves(data_dir: Path) -> bool:
    try:
        read_environment(data_dir)
    except NotRunningError:
        return False
    return (data_dir / "again").exists() and (data_dir / "reached").exists()


def ended(running: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = running.communicate(timeout=WITHIN_S)
    return running.returncode, output


async def test_up_goes_on_where_it_stopped_and_leaves_no_process_behind(servers_path: Path) -> None:
    data_dir = servers_path / "servers"
    with started(data_dir) as first:
        await until(first, lambda: serves(data_dir))
        settings = read_environment(data_dir)
        with started(data_dir) as refused:
            status, output = ended(refused)
        assert (status, f"is in use by process {first.pid}" in output) == (2, True)
        first.send_signal(signal.SIGTERM)
        status, output = ended(first)
    assert (status, processes_of(data_dir)) == (0, {})
    assert "asks       ended with status 70; restart at once" in output
    assert "stays      stopped with status 0" in output
    assert (data_dir / "prepared").exists()
    assert (data_dir / "drained").exists()
    assert not serves(data_dir)

    with started(data_dir) as second:  # killed as a crash would; its children have nobody left
        await until(second, lambda: serves(data_dir))
        assert read_environment(data_dir) == settings
        assert len(processes_of(data_dir)) >= 5
        second.kill()
        second.communicate(timeout=WITHIN_S)
    assert not serves(data_dir)

    with started(data_dir, "--fresh") as third:
        await until(third, lambda: serves(data_dir))
        kafka_id = msgspec.json.decode((data_dir / "run" / "kafka.json").read_bytes())["incarnation"]["pid"]
        owned = [line for line in processes_of(data_dir).values() if "kafka.Kafka" in line or "quarkus" in line]
        assert len(owned) == 2
        assert not (data_dir / "drained").exists()
        os.kill(kafka_id, signal.SIGKILL)
        await until(third, lambda: "kafka" in _recorded(data_dir) and _recorded(data_dir)["kafka"] != kafka_id)
        third.send_signal(signal.SIGINT)
        third.send_signal(signal.SIGINT)
        status, output = ended(third)
    assert (status, processes_of(data_dir)) == (0, {})
    assert "kafka      ended with status -9; restart in 0.5 s" in output


def test_fresh_refuses_a_directory_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    refused = subprocess.run([sys.executable, SCRIPT, tmp_path, "--fresh"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "was not made by beaas and is not empty" in refused.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def _recorded(data_dir: Path) -> dict[str, int]:
    found = {}
    for path in (data_dir / "run").glob("*.json"):
        content = path.read_bytes()
        if content:
            found[path.stem] = msgspec.json.decode(content)["incarnation"]["pid"]
    return found
