"""Why records die, and what to do about it: one family for each kind of fault. `docs/dead-letters.md` shows them."""

from enum import Enum
from typing import Final, NamedTuple


class Cure(Enum):
    """When a letter can go back."""

    READABLE = "once intake can read it"
    """It is tried before it goes back; as long as intake would refuse it again, only `--force` puts it back."""
    FIXED = "after the fix"
    """Whether it counts now is known only to its account: it goes back, and what is refused again is a new letter."""
    NEVER = "never"
    """It would only die again."""


class Family(NamedTuple):
    """Reasons that mean the same kind of fault."""

    codes: tuple[str, ...]
    meaning: str
    remedy: str
    cure: Cure


_IDS: Final = ("tenant", "customer", "id", "type")
_ATTRIBUTES: Final = ("specversion", "tenantid", "subject", "id", "source", "type", "time")
_CORRECT: Final = "Have the producer send it right, or put it back corrected: `redrive ID --value FILE`."

FAMILIES: Final = (
    Family(
        ("unknown-schema",),
        "It names a schema that the registry does not have.",
        "Register the writer's schema under the same id (restore the registry), then redrive.",
        Cure.READABLE,
    ),
    Family(
        ("incompatible-schema", "unbounded-schema", "wrong-record"),
        "It was written by a schema that is no version of ours, that would be misread, or of another record.",
        "Have the producer write `beaas.usage.UsageRecorded`. Where a newer beaas wrote it, upgrade, then redrive.",
        Cure.READABLE,
    ),
    Family(
        ("no-framing", "malformed", "trailing-bytes", "malformed-json"),
        "Its bytes are no whole record: cut short, garbled, or of another format.",
        _CORRECT,
        Cure.READABLE,
    ),
    Family(
        ("too-large",),
        "It is larger than `BEAAS_USAGE_MAX_BYTES`.",
        "Send it smaller, or raise the setting for intake and for the redrive, then redrive.",
        Cure.READABLE,
    ),
    Family(("tombstone",), "It has no value.", "Nothing was used: leave it.", Cure.NEVER),
    Family(
        (*(f"missing-{one}" for one in _ATTRIBUTES), *(f"{one}-missing" for one in _IDS)),
        "It lacks a field that usage must have.",
        _CORRECT,
        Cure.READABLE,
    ),
    Family(
        (*(f"invalid-{one}" for one in (*_ATTRIBUTES, "subscriptionid", "datacontenttype")), "invalid-data"),
        "A CloudEvents attribute is not what the specification asks for.",
        _CORRECT,
        Cure.READABLE,
    ),
    Family(
        (
            *(f"{one}-{fault}" for one in (*_IDS, "source") for fault in ("too-long", "control-character")),
            *(
                f"{one}-{fault}"
                for one in ("subscription", "property-name")
                for fault in ("missing", "too-long", "control-character")
            ),
            "property-value-too-long",
            "property-value-control-character",
            "properties-too-many",
            "tenant-slash",
            "occurred-at-out-of-range",
            "instant-out-of-range",
            "amount-out-of-range",
        ),
        "A field is outside its bounds.",
        _CORRECT,
        Cure.READABLE,
    ),
    Family(
        ("missing-property", "not-a-decimal", "out-of-range"),
        "A meter of its subscription reads a property that is absent, no number, or too large.",
        f"Where the meter is wrong, correct it; where the event is: {_CORRECT[0].lower()}{_CORRECT[1:]}",
        Cure.FIXED,
    ),
    Family(
        ("parked-full", "parked-too-large"),
        "Its customer had no subscription yet, and as much waited as may wait.",
        "Start the subscription, then redrive.",
        Cure.FIXED,
    ),
    Family(
        ("before-start", "paused", "after-end", "too-early"),
        "It occurred when the subscription was not running, or too far ahead.",
        "Where the subscription is wrong, correct it (an earlier start, a new subscription), then redrive.",
        Cure.FIXED,
    ),
    Family(
        ("too-many-late",),
        "So much late usage waits for the next statement that no more is taken.",
        "Redrive after the next statement.",
        Cure.FIXED,
    ),
    Family(
        ("too-many-groups", "too-many-values"),
        "A meter would hold more groups or unique values than it may.",
        "Group by a property of fewer values; what arrives in the next period counts there.",
        Cure.FIXED,
    ),
    Family(
        ("too-old", "final-billed"),
        "The statement that it belongs to can no longer be adjusted.",
        "Bill it by hand: a redrive is refused by the account again.",
        Cure.NEVER,
    ),
    Family(
        ("conflict",),
        "Its id was used before with other content; the first was billed.",
        "Decide which is right. Send it under a new id where both happened; void the first where it was wrong.",
        Cure.NEVER,
    ),
    Family(
        ("illegal-command", "original-gone"),
        "A command of the control plane that the subscription's state does not allow.",
        "Its sender was answered with an empty statement; correct the definition and apply it again.",
        Cure.NEVER,
    ),
)

BY_CODE: Final = {code: family for family in FAMILIES for code in family.codes}
HOPELESS: Final = tuple(code for code, family in BY_CODE.items() if family.cure is Cure.NEVER)
"""Reasons whose letters a selection leaves out."""
