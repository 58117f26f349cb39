"""What an invariant says when it is broken."""

from dataclasses import dataclass


def refold_of(tenant: str) -> str:
    """Returns the command that folds a tenant's journal again, to be put behind what it is for; empty without one."""
    return f": beaas replay --tenant {tenant} --diff" if tenant else ""


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
