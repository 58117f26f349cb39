"""Where records go is fixed: partitions and slice are written down with the first setup and checked ever after."""

from dataclasses import dataclass

import psycopg


class PlacementChanged(Exception):
    """The settings would move accounts to other partitions; the text says which values count."""


@dataclass(frozen=True, slots=True)
class Placement:
    """What `schemas.partition` places records by."""

    partitions: int
    tenant_slice: int


_KEEP = "INSERT INTO beaas.placement VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
_KEPT = "SELECT partitions, tenant_slice FROM beaas.placement WHERE topic_prefix = %s"


def keep_placement(url: str, topic_prefix: str, placement: Placement) -> None:
    """The placement is the one that every record of this prefix has been placed by.

    Raises:
        PlacementChanged: records were placed otherwise before.
    """
    with psycopg.connect(url, application_name="beaas setup") as connection:
        connection.execute(_KEEP, (topic_prefix, placement.partitions, placement.tenant_slice))
        row = connection.execute(_KEPT, (topic_prefix,)).fetchone()
    assert row is not None
    kept = Placement(*row)
    if kept != placement:
        raise PlacementChanged(
            f"topics {topic_prefix}* were made with BEAAS_PARTITIONS={kept.partitions} and"
            f" BEAAS_TENANT_SLICE={kept.tenant_slice}, not {placement.partitions} and {placement.tenant_slice}:"
            " accounts never move. Set those, or use another BEAAS_TOPIC_PREFIX and bill anew from there."
        )
