"""Fixtures every test may use, and what every run says of itself."""

import pytest
from hypothesis import HealthCheck, settings

from tests.support.pipeline import pipeline, pytest_collection_modifyitems
from tests.support.servers import mortal_servers, servers, servers_path

__all__ = ["mortal_servers", "pipeline", "pytest_collection_modifyitems", "servers", "servers_path"]

# Machines are noisy: how long an example takes says nothing of the law that it tries.
settings.register_profile("beaas", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("beaas")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The last lines say how to have the same order again: pytest-randomly's own line is not shown with -q."""
    seed = config.getoption("randomly_seed", None)
    if seed is not None:
        terminalreporter.write_line(f"order: --randomly-seed={seed}")
