"""What an audit has to say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        invariant: such as `I05`, of the table in docs/invariants.md.
        tenant: whose it is; "" where it is of no tenant.
        subject: what: an invoice, a topic with partition and offset, a usage id.
        detail: what is wrong, with both values.
    """

    invariant: str
    tenant: str
    subject: str
    detail: str
