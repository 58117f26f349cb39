"""What can go wrong on the wire, one error for each direction.

BillingError
├── UndecodableRecord    DEAD_LETTER   bytes that are no record of ours, or a record outside its bounds
└── Unencodable          CRASH         a record of ours that its schema cannot hold: a defect of the writer
"""

from billing.errors import BillingError, Disposition


class UndecodableRecord(BillingError):
    """Bytes that can't be read, and never could be by trying again.

    Attributes:
        reason: a short kebab-case code that dead letters are counted by, such as `cut-short` or `unknown-schema`.
        detail: one sentence for whoever reads the dead letter; it never repeats more than a few characters of input.
    """

    disposition = Disposition.DEAD_LETTER

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


class Unencodable(BillingError):
    """A value that its field can't hold; the text names record, field and what is allowed."""

    disposition = Disposition.CRASH
