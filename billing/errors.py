"""What can go wrong in billing, and what becomes of the message that caused it.

    BillingError
    ├── InvalidDefinition    REJECT        a price, meter, period, zone or currency that means nothing
    ├── RefusedUsage         DEAD_LETTER   usage that no meter can read
    ├── IllegalTransition    REJECT        a command that does not fit the state it meets
    └── Defect               CRASH         our own state contradicts itself

A repeat is no error: what was done already is answered again.
"""

from enum import Enum
from typing import ClassVar


class Disposition(Enum):
    """What the caller does with the message whose handling raised."""

    DEAD_LETTER = "dead-letter"
    """The message goes to the dead-letter topic with the reason, and its partition moves on."""
    REJECT = "reject"
    """The sender is told, and nothing has changed."""
    CRASH = "crash"
    """Nothing that this process believes can be trusted; it ends and is started again."""


class BillingError(Exception):
    """The root: every error of `billing` says what becomes of its message."""

    disposition: ClassVar[Disposition]


class InvalidDefinition(BillingError):
    """A definition is refused as a whole.

    Attributes:
        field: the path of the field, such as `prices[2].tiers[0].up_to`.
        problem: what is wrong with it and what is allowed.
    """

    disposition = Disposition.REJECT

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(field, problem)
        self.field = field
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


class RefusedUsage(BillingError):
    """Usage that cannot be measured, and never could be by trying again.

    Attributes:
        reason: a short code that dead letters are counted by: `missing-property`, `not-a-decimal`, `out-of-range`.
        detail: one sentence for whoever reads the dead letter.
    """

    disposition = Disposition.DEAD_LETTER

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else self.reason


class IllegalTransition(BillingError):
    """A command that the state it meets does not allow; the text says which state, and what it would allow."""

    disposition = Disposition.REJECT


class Defect(BillingError):
    """Something that cannot be so: two currencies in one sum, a stored state of an unknown version."""

    disposition = Disposition.CRASH
