"""Accounts never move: partitions and slice are fixed by the first setup."""

import psycopg
import pytest

from connectors.postgres.placement import Placement, PlacementChanged, keep_placement


def test_a_setup_with_another_slice_is_refused_and_names_the_one_that_counts(database: str) -> None:
    keep_placement(database, "moved.", Placement(8, 4))
    keep_placement(database, "moved.", Placement(8, 4))
    keep_placement(database, "other.", Placement(16, 16))
    with pytest.raises(PlacementChanged, match=r"BEAAS_PARTITIONS=8 and BEAAS_TENANT_SLICE=4, not 8 and 8"):
        keep_placement(database, "moved.", Placement(8, 8))


def test_nobody_changes_a_placement_not_even_the_owner(database: str) -> None:
    keep_placement(database, "frozen.", Placement(8, 8))
    with psycopg.connect(database) as connection, pytest.raises(psycopg.errors.RestrictViolation):
        connection.execute("UPDATE beaas.placement SET tenant_slice = 1")
