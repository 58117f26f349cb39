import asyncio
import signal
import subprocess
import sys
from pathlib import Path

from tests.faults.rig.points import Action, Armed, Points, Trigger

PASSES = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.faults.rig.points import Points

async def passes():
    points = Points(Path(sys.argv[1]))
    for turn in range(5):
        await points.reach("before")
        print(turn, flush=True)
        await points.reach("after")

asyncio.run(passes())
"""
ROOT = Path(__file__).parents[2]


def passing(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PASSES, str(directory), str(ROOT)], capture_output=True, text=True, check=False
    )


def test_a_process_dies_at_the_armed_point_and_only_once(tmp_path: Path) -> None:
    trigger = Trigger(tmp_path)
    trigger.arm(Armed("after", Action.KILL, passages=2))
    died = passing(tmp_path)
    assert (died.returncode, died.stdout) == (-signal.SIGKILL, "0\n1\n2\n")
    assert trigger.struck
    lived = passing(tmp_path)
    assert (lived.returncode, lived.stdout) == (0, "0\n1\n2\n3\n4\n")


def test_a_point_that_is_not_armed_strikes_nobody(tmp_path: Path) -> None:
    trigger = Trigger(tmp_path)
    trigger.arm(Armed("elsewhere"))
    assert passing(tmp_path).returncode == 0
    assert not trigger.struck
    trigger.arm(Armed("before"))
    trigger.disarm()
    assert passing(tmp_path).returncode == 0


async def test_who_is_held_goes_on_when_let_go(tmp_path: Path) -> None:
    trigger, points = Trigger(tmp_path), Points(tmp_path)
    trigger.arm(Armed("here", Action.HOLD))
    held = asyncio.create_task(points.reach("here"))
    async with asyncio.timeout(60):
        while not trigger.struck:  # noqa: ASYNC110 - a file appears
            await asyncio.sleep(0.01)
    assert not held.done()
    trigger.let_go()
    await asyncio.wait_for(held, 60)
