"""A role as a process of the bench: the command line as always, with points where it can die and a clock to move."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[3]))

import streams.app
from streams.cli import main
from tests.faults.rig.planted import BUGS, PLANT
from tests.faults.rig.points import DIRECTORY, Points
from tests.faults.rig.seams import wrap
from tests.faults.rig.shifted_clock import ShiftedClock


def run() -> None:
    """Runs the role that the arguments name."""
    directory = Path(os.environ[DIRECTORY])
    directory.mkdir(parents=True, exist_ok=True)
    role = sys.argv[2] if sys.argv[1] == "worker" else sys.argv[1]
    ShiftedClock(directory / "clock").install(streams.app)
    if bug := os.environ.get(PLANT):
        BUGS[bug]()
    wrap(Points(directory), role)
    main()


if __name__ == "__main__":
    run()
