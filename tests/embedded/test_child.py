import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from connectors.embedded.child import Child, Command, end_leftovers, run_to_end
from connectors.embedded.errors import ServerError
from connectors.embedded.incarnation import Incarnation

SLEEP = "import time; time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
PARENT = """
import asyncio, pathlib, sys, time
from connectors.embedded.child import Child, Command
async def main():
    folder, belt = pathlib.Path(sys.argv[1]), sys.argv[2] == "belt"
    code = "import time; print('up', flush=True); time.sleep(600)"
    command = Command("sleeper", (sys.executable, "-c", code), folder / "log", dies_with_parent=belt)
    child = await Child.spawn(command, folder / "run")
    async def said_so():
        return (folder / "log").read_text() != ""
    await child.ready(said_so, 60)
    print(child.pid, flush=True)
    await child.ended()
asyncio.run(main())
"""
WITHIN_S = 60.0
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent death signal is Linux's")


def python(folder: Path, code: str) -> Command:
    return Command("sleeper", (sys.executable, "-c", code), folder / "log")


@pytest.fixture
async def sleeper(tmp_path: Path) -> AsyncIterator[Child]:
    child = await Child.spawn(python(tmp_path, SLEEP), tmp_path / "run")
    yield child
    child.kill()
    await child.ended()


async def gone(pid: int, within_s: float = WITHIN_S) -> bool:
    deadline = time.monotonic() + within_s
    while Incarnation.of(pid) is not None and time.monotonic() < deadline:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(0.02)
    return Incarnation.of(pid) is None


async def orphan(folder: Path, belt: str) -> int:
    """Starts a parent with a child, kills the parent with SIGKILL, and returns the child's pid."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(folder), belt, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    pid = int(await parent.stdout.readline())
    assert Incarnation.of(pid) is not None
    parent.kill()
    await parent.communicate()
    return pid


async def test_a_child_leads_a_session_of_its_own(sleeper: Child) -> None:
    assert os.getsid(sleeper.pid) == sleeper.pid != os.getsid(0)


async def test_stop_ends_a_child_and_takes_its_record_away(sleeper: Child, tmp_path: Path) -> None:
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["sleeper.json"]
    assert await sleeper.stop(WITHIN_S) == -signal.SIGTERM
    assert list((tmp_path / "run").iterdir()) == []


async def test_a_child_that_is_deaf_to_its_stop_signal_is_killed(tmp_path: Path) -> None:
    child = await Child.spawn(python(tmp_path, DEAF), tmp_path / "run")

    async def said_so() -> bool:
        return (tmp_path / "log").read_text(encoding="utf-8") == "deaf\n"

    await child.ready(said_so, WITHIN_S)
    assert await child.stop(0.1) == -signal.SIGKILL


async def test_a_child_that_ends_before_it_answers_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    child = await Child.spawn(python(tmp_path, "print('port is taken'); raise SystemExit(3)"), tmp_path / "run")
    with pytest.raises(ServerError, match=r"(?s)sleeper ended with status 3\..*log:\n  port is taken"):
        await child.ready(_never, WITHIN_S)
    await child.ended()


async def test_a_child_that_never_answers_is_an_error_at_the_deadline(sleeper: Child) -> None:
    with pytest.raises(ServerError, match=r"did not answer within 0\.1 s"):
        await sleeper.ready(_never, 0.1)


async def test_a_command_that_fails_or_lasts_too_long_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match="failed with status 5"):
        await run_to_end(python(tmp_path, "raise SystemExit(5)"), tmp_path / "run", WITHIN_S)
    with pytest.raises(ServerError, match=r"did not end within 0\.2 s"):
        await run_to_end(python(tmp_path, SLEEP), tmp_path / "run", 0.2)
    assert await end_leftovers(tmp_path / "run") == []


async def test_a_program_that_is_not_there_is_named_in_the_error(tmp_path: Path) -> None:
    command = Command("absent", (str(tmp_path / "absent"),), tmp_path / "log")
    with pytest.raises(ServerError, match=r"absent cannot be started: .*No such file"):
        await run_to_end(command, tmp_path / "run", WITHIN_S)


@linux_only
async def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    assert await gone(await orphan(tmp_path, "belt"))


async def test_what_a_killed_parent_left_is_ended_by_the_next_start(tmp_path: Path) -> None:
    pid = await orphan(tmp_path, "no belt")
    assert not await gone(pid, 0.2)
    assert await end_leftovers(tmp_path / "run") == ["sleeper"]
    assert await gone(pid)
    assert list((tmp_path / "run").iterdir()) == []


async def test_another_process_that_got_a_recorded_pid_is_left_alone(sleeper: Child, tmp_path: Path) -> None:
    record = tmp_path / "run" / "sleeper.json"
    content = msgspec.json.decode(record.read_bytes())
    content["incarnation"]["started"] += "0"
    record.write_bytes(msgspec.json.encode(content))
    assert await end_leftovers(tmp_path / "run") == []
    assert Incarnation.of(sleeper.pid) is not None
    assert not record.exists()


async def test_a_torn_record_ends_nothing_and_is_taken_away(tmp_path: Path) -> None:
    (tmp_path / "torn.json").write_bytes(b'{"incarnation":')
    assert await end_leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_large_log_is_kept_once_under_another_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.embedded.child._LOG_LIMIT_BYTES", 3)
    for text in ("first", "second", "third"):
        await run_to_end(python(tmp_path, f"print('{text}')"), tmp_path / "run", WITHIN_S)
    logs = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.glob("log*")}
    assert logs == {"log": "third\n", "log.1": "second\n"}


async def _never() -> bool:
    return False
