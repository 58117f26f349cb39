"""Why a line says what it says: its statement drawn once more, with all that went into it."""

from billing.inquiry.inquiry import Inquiry
from billing.inquiry.why import (
    Billed,
    ChargeWhy,
    CommitmentWhy,
    Contribution,
    Explained,
    FeeWhy,
    Share,
    Together,
    UsageWhy,
    Why,
)

__all__ = [
    "Billed",
    "ChargeWhy",
    "CommitmentWhy",
    "Contribution",
    "Explained",
    "FeeWhy",
    "Inquiry",
    "Share",
    "Together",
    "UsageWhy",
    "Why",
]
