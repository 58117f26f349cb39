import importlib.util
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools" / "bootstrap.py")
assert spec is not None
assert spec.loader is not None
bootstrap = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bootstrap)


def test_a_machine_that_has_all_lacks_nothing() -> None:
    assert bootstrap.what_is_missing() is None


@pytest.mark.parametrize(
    ("lacking", "said"),
    [
        (
            lambda patch: patch.setattr(sys, "version_info", (3, 10, 2)),
            "Python 3.11 or newer is needed, this is 3.10.2",
        ),
        (lambda patch: patch.setattr(importlib.util, "find_spec", lambda _: None), "has no module venv: install it"),
        (lambda patch: patch.setattr(platform, "system", lambda: "Windows"), "this is Windows"),
    ],
    ids=["old Python", "no venv", "other system"],
)
def test_what_a_machine_lacks_is_said_in_one_line(
    monkeypatch: pytest.MonkeyPatch, lacking: Callable[[pytest.MonkeyPatch], None], said: str
) -> None:
    with monkeypatch.context() as patch:
        lacking(patch)
        missing = bootstrap.what_is_missing()
    assert said in missing
    assert "\n" not in missing


def test_make_says_so_when_no_python_is_new_enough() -> None:
    made = subprocess.run(["make", "setup", "PYTHON="], cwd=ROOT, capture_output=True, text=True, check=False)
    assert made.returncode == 2
    assert made.stderr.startswith("beaas needs Python 3.11 or newer")


def test_make_alone_lists_every_target() -> None:
    made = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    listed = [line.split()[1] for line in made.stdout.splitlines()]
    assert listed == ["help", "setup", "demo", "test", "check", "bench", "faults", "mutate", "clean"]
