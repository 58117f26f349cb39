"""Exit statuses: every error that the table names exists, and a class is never hidden by its base."""

import subprocess
import sys
from importlib import import_module, metadata
from itertools import combinations

import pytest

from connectors.embedded.errors import DataDirectoryError, NotRunningError
from streams.cli.failures import STATUSES, UNREACHABLE, WRONG_USE, status_of


def kind_of(path: str) -> type[Exception]:
    module, _, name = path.rpartition(".")
    kind: type[Exception] = getattr(import_module(module), name)
    return kind


@pytest.mark.parametrize(("path", "status"), STATUSES.items())
def test_every_error_that_has_a_status_exists(path: str, status: int) -> None:
    kind = kind_of(path)
    assert status_of(kind.__new__(kind)) == status


def test_a_class_stands_before_its_base() -> None:
    for earlier, later in combinations(STATUSES, 2):
        hidden = issubclass(kind_of(later), kind_of(earlier))
        assert not hidden or STATUSES[later] == STATUSES[earlier], f"{later} never gets its own status"


def test_a_directory_of_somebody_else_is_wrong_use_and_servers_that_are_away_are_unreachable() -> None:
    assert status_of(DataDirectoryError()) == WRONG_USE
    assert status_of(NotRunningError()) == UNREACHABLE
    assert status_of(KeyError()) is None


def test_the_version_is_the_distributions() -> None:
    ran = subprocess.run([sys.executable, "-m", "streams.cli", "--version"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == metadata.version("beaas")
