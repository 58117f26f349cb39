"""Files for `beaas apply`: read whole or refused whole, every problem with its file, line and field."""

from connectors.catalogue_file.model import (
    Anchor,
    Catalogue,
    Coupon,
    Customer,
    Definition,
    Meter,
    Plan,
    Subscription,
    Tenant,
)
from connectors.catalogue_file.problems import BadFile, Problem
from connectors.catalogue_file.reading import parse_catalogue, read_catalogue

__all__ = [
    "Anchor",
    "BadFile",
    "Catalogue",
    "Coupon",
    "Customer",
    "Definition",
    "Meter",
    "Plan",
    "Problem",
    "Subscription",
    "Tenant",
    "parse_catalogue",
    "read_catalogue",
]
