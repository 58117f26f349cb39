"""Every topic, once: its records, how long it keeps them, and under which subjects their schemas are registered."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

_MIB: Final = 1 << 20
_LARGEST_EVENT_BYTES: Final = 16_000_000  # of the relay's bus
_AROUND_BYTES: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """A topic without its prefix.

    Attributes:
        name: as in `journal`; `full_name` puts the prefix before it.
        records: full names of the record types that it carries.
        cleanup: `compact` keeps the newest record of a key, `delete` all of them for `retention`.
        placed: whether all its records are placed by `schemas.partition`; otherwise whoever writes them chooses.
        max_message_bytes: largest record batch that the broker takes.
        retention: how long a record is kept; None is for ever.
        broker_time: whether the broker stamps records when it gets them, in place of the producer's word for it.
        unpacked: whether the broker unpacks what producers compress, and refuses what is too large then.
    """

    name: str
    records: tuple[str, ...]
    cleanup: Literal["delete", "compact"] = "delete"
    placed: bool = True
    max_message_bytes: int = 4 * _MIB
    retention: timedelta | None = timedelta(days=30)
    broker_time: bool = False
    unpacked: bool = False

    def full_name(self, prefix: str) -> str:
        """Returns the topic's name on the bus, such as `beaas.journal`."""
        return f"{prefix}{self.name}"

    @property
    def largest_value_bytes(self) -> int:
        """How long a value may be that we write: what the topic and our producers take, less key, headers and frame."""
        return min(self.max_message_bytes, _LARGEST_EVENT_BYTES) - _AROUND_BYTES

    def config(self) -> dict[str, str]:
        """Returns the topic's settings as Kafka names them."""
        kept_ms = -1 if self.retention is None else self.retention // timedelta(milliseconds=1)
        return {
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_message_bytes),
            "retention.ms": str(kept_ms),
            "message.timestamp.type": "LogAppendTime" if self.broker_time else "CreateTime",
            "compression.type": "uncompressed" if self.unpacked else "producer",
        }


USAGE: Final = Topic(
    name="usage",
    records=("beaas.usage.UsageRecorded",),
    placed=False,
    max_message_bytes=8 * _MIB,  # far above what a usage record may have: an oversized one arrives and is dead-lettered
    broker_time=True,  # a producer's clock must decide neither how long usage is kept nor when it was received
    # Strangers write here. A codec that intake lacks (lz4, snappy, zstd), or 100 kB of gzip that unpack to 100 MB,
    # would end intake again and again; the broker knows every codec and refuses the bomb before it acknowledges it.
    unpacked=True,
)
JOURNAL: Final = Topic(
    name="journal",
    records=(
        "beaas.usage.UsageRecorded",
        "beaas.usage.UsageVoided",
        "beaas.subscription.SubscriptionStarted",
        "beaas.subscription.PlanChanged",
        "beaas.subscription.ZoneChanged",
        "beaas.subscription.QuantityChanged",
        "beaas.subscription.ChargeAdded",
        "beaas.subscription.CouponApplied",
        "beaas.subscription.CouponRemoved",
        "beaas.subscription.SubscriptionPaused",
        "beaas.subscription.SubscriptionResumed",
        "beaas.subscription.SubscriptionCanceled",
        "beaas.subscription.CycleClosed",
    ),
    retention=None,  # what replay refolds
)
STATEMENTS: Final = Topic(
    name="statements",
    records=("beaas.rating.StatementClosed",),
    max_message_bytes=16 * _MIB,  # one line for each group of each price
    retention=timedelta(days=90),
)
USAGE_TOTALS: Final = Topic(
    name="usage-totals",
    records=("beaas.usage.UsageTotal", "beaas.usage.UsageParked"),
    cleanup="compact",
    retention=None,
)
CUSTOMER: Final = Topic(name="customer", records=("beaas.customer.CustomerSaved",))
CATALOG: Final = Topic(
    name="catalog",
    records=(
        "beaas.catalog.TenantSaved",
        "beaas.catalog.MeterSaved",
        "beaas.catalog.PlanVersionPublished",
        "beaas.catalog.CouponSaved",
    ),
)
SUBSCRIPTION: Final = Topic(name="subscription", records=("beaas.subscription.SubscriptionStateChanged",))
INVOICE: Final = Topic(name="invoice", records=("beaas.invoice.InvoiceFinalized",), max_message_bytes=16 * _MIB)
LEDGER: Final = Topic(name="ledger", records=("beaas.ledger.LedgerPosted",))
CREDIT: Final = Topic(name="credit", records=("beaas.credit.CreditGranted",))
DEAD_LETTERS: Final = Topic(
    name="dead-letters",
    records=("beaas.deadletter.DeadLetter", "beaas.deadletter.DeadLetterRedriven"),
    placed=False,  # beside its source's partition number, as the account may be unreadable
    max_message_bytes=16 * _MIB,  # the largest usage record with all that is said about it
    retention=timedelta(days=365),  # the only copy of usage that is still to be redriven
)

TOPICS: Final = (
    USAGE,
    JOURNAL,
    STATEMENTS,
    USAGE_TOTALS,
    CUSTOMER,
    CATALOG,
    SUBSCRIPTION,
    INVOICE,
    LEDGER,
    CREDIT,
    DEAD_LETTERS,
)


def subject(topic: Topic, record: str, prefix: str) -> str:
    """Returns the registry's subject for `record` (its full name) on `topic`.

    `<topic>-value` (TopicNameStrategy) where the topic carries one type, else `<topic>-<record>`
    (TopicRecordNameStrategy), the topic with its prefix.

    Raises:
        KeyError: the topic does not carry this record.
    """
    if record not in topic.records:
        raise KeyError(f"topic {topic.name} carries {', '.join(topic.records)}, not {record}")
    return f"{topic.full_name(prefix)}-{'value' if len(topic.records) == 1 else record}"


def subjects(prefix: str) -> dict[str, str]:
    """Returns every subject with the full name of its record."""
    return {subject(topic, record, prefix): record for topic in TOPICS for record in topic.records}
