"""What an invariant says when it is broken."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that must not be so."""

    invariant: str
    """Such as `I05`."""
    tenant: str
    """Whose it is; empty where it is of no tenant."""
    subject: str
    """What is wrong: an invoice's number, a topic with partition and offset, a shard."""
    detail: str
    """How it is wrong, with the values on both sides, and what to do."""
