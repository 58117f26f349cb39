"""What a random story may have. Each can be left out, so that a failure can be narrowed down."""

from enum import StrEnum
from typing import Final


class Feature(StrEnum):
    """One thing that stories do."""

    CUSTOMERS = "customers"
    SUBSCRIPTIONS = "subscriptions"
    CALENDAR = "calendar"
    PERIODS = "periods"
    ZONES = "zones"
    TAX = "tax"
    CREDIT = "credit"
    GROUPS = "groups"
    FILTERS = "filters"
    CARRY_OVER = "carry_over"
    NEGATIVE = "negative"
    ARREARS = "arrears"
    REPEATS = "repeats"
    LATE = "late"
    ON_BOUNDARIES = "on_boundaries"
    VOIDS = "voids"
    EARLY_VOIDS = "early_voids"
    PLAN_CHANGES = "plan_changes"
    OTHER_PERIODS = "other_periods"
    """Plan changes to another billing period."""
    CANCEL = "cancel"
    TRIAL = "trial"
    PAUSE = "pause"
    QUANTITIES = "quantities"
    ONE_OFF = "one_off"
    CHARGES = "charges"
    COMMITMENTS = "commitments"
    COUPONS = "coupons"
    AMOUNT_COUPONS = "amount_coupons"
    ACROSS_GROUPS = "across_groups"
    CHANGE_ZONE = "change_zone"
    NAMED_USAGE = "named_usage"


ALL: Final = frozenset(Feature)
NORM: Final = ALL - {
    Feature.TRIAL,
    Feature.PAUSE,
    Feature.QUANTITIES,
    Feature.ONE_OFF,
    Feature.CHARGES,
    Feature.COMMITMENTS,
    Feature.COUPONS,
    Feature.AMOUNT_COUPONS,
    Feature.ACROSS_GROUPS,
    Feature.CHANGE_ZONE,
    Feature.NAMED_USAGE,
}
"""What the norm has without its later additions."""
