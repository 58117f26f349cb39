"""Every row of the tables: what it is called, what it does, and what bounds it."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        key: what its runs are kept under.
        title: how the table names it.
        says: what it does, for the reader who wants to know.
        bound: the row that it is divided by.
    """

    key: str
    title: str
    says: str
    bound: str | None = None


_SAME_FOLD: Final = "the same topic, payload and decoding, summed by key; no dedupe"

THROUGHPUT: Final = (
    Row(
        "raw-minimal",
        "raw loop, minimal usage",
        "aiokafka's `getmany`, our decoder, one addition in a dict: no dedupe, nothing durable",
    ),
    Row(
        "rating-sum",
        "rating, one sum meter",
        "`beaas worker rating` on RocksDB with dedupe: 10,000 customers, one property, one priced sum",
        "raw-minimal",
    ),
    Row(
        "rating-sum-memory",
        "rating, one sum meter, in memory",
        "the same with `BEAAS_TABLE_STORE=memory://`",
        "raw-minimal",
    ),
    Row("kafka-streams-100ms", "Kafka Streams, commit 100 ms", f"{_SAME_FOLD}; RocksDB, 64 MB cache", "raw-minimal"),
    Row("kafka-streams-1s", "Kafka Streams, commit 1 s", "the same with a longer commit interval", "raw-minimal"),
    Row("quix", "Quix Streams, commit 1 s", f"{_SAME_FOLD}; RocksDB, our decoder", "raw-minimal"),
    Row("faust", "Faust, idiomatic", f"`table[key] += quantity`: {_SAME_FOLD}; RocksDB, our decoder", "raw-minimal"),
    Row("faust-memory", "Faust, idiomatic, in memory", "the same with Faust's memory store", "raw-minimal"),
    Row("raw-flights", "raw loop, flights", "as above on flights, which have 8 properties"),
    Row(
        "rating-three-meters",
        "rating, three meters",
        "RocksDB, dedupe: count, sum and maximum of flights; closes included",
        "raw-flights",
    ),
    Row(
        "rating-flights",
        "rating, flights tariff",
        "the same with the demo's tariff: seven meters, eight prices of every model",
        "raw-flights",
    ),
    Row(
        "rating-small-accounts",
        "rating, small accounts",
        "three meters; each flight number at an airport is a customer, for a quarter of the year",
        "raw-flights",
    ),
    Row(
        "raw-pipe-minimal",
        "raw loop, produce, minimal usage",
        "consume, our decoder, `create_batch` and `send_batch` to the journal: no validation, no transaction",
    ),
    Row(
        "intake-minimal",
        "intake, minimal usage",
        "`beaas worker intake`: decode, validate, re-key, one transaction a flush",
        "raw-pipe-minimal",
    ),
    Row("raw-pipe-flights", "raw loop, produce, flights", "as above on flights"),
    Row("intake-flights", "intake, flights", "as above on flights", "raw-pipe-flights"),
    Row(
        "path",
        "whole path, one sum meter",
        "producer to flushed total, as a `read_committed` consumer sees it, for 20 s, always 100,000 events under way:"
        " producer, broker, an intake and two rating workers share the machine; CPU is that of the workers",
    ),
    Row(
        "raw-insert",
        "raw insert of the month end's rows",
        "the very rows that the month end wrote, by multi-row `INSERT … SELECT unnest(…)` of 500 invoices a transaction"
        " on four connections into tables with the same columns, checks and indexes: no triggers, no foreign keys, no"
        " row-level security, nothing computed",
    ),
    Row(
        "month-end",
        "month end, invoices",
        "`beaas worker sinks`: statements of three lines become invoices with tax, number, ledger postings and outbox"
        " events",
        "raw-insert",
    ),
    Row("debezium", "Debezium 3.6.3, rows", "Kafka Connect standalone with the EventRouter, on the same table; warm"),
    Row(
        "relay",
        "relay, rows",
        "`beaas relay`: 100,000 outbox rows, 1,000 a transaction, inserted while it runs; warm",
        "debezium",
    ),
)

LATENCY: Final = (
    Row(
        "latency-2000",
        "produced → flushed, 2,000 events/s",
        "from the moment usage is handed to its producer to the one a `read_committed` consumer of `usage-totals` gets"
        " its account's running total with it in; an intake and two rating workers in between, the load and"
        " its reader in one process with one monotonic clock",
    ),
    Row("latency-half", "produced → flushed, half load", "the same at half of the whole path's rate in this run"),
    Row(
        "relay-latency",
        "commit → Kafka, relay",
        "from the return of a single row's COMMIT to a consumer that has its record, the relay idle before",
    ),
    Row("debezium-latency", "commit → Kafka, Debezium", "the same by Debezium", "relay-latency"),
)

RECOVERY: Final = (
    Row(
        "recovery-dynamic",
        "kill -9, survivors take over",
        "one of three rating workers dies at 2,000 events/s and stays dead; `BEAAS_SESSION_TIMEOUT_SECONDS=6`",
    ),
    Row("recovery-static", "kill -9, restarted at once", "the same, and its supervisor starts it again at once"),
)

MEMORY: Final = (
    Row("rating-sum", "open ids, RocksDB", "what `rating, one sum meter` grew by, per million ids"),
    Row("rating-sum-memory", "open ids, in memory", "the same in memory"),
    Row("accounts", "accounts, RocksDB", "100,000 accounts with one event each, scaled to a million"),
    Row("accounts-memory", "accounts, in memory", "the same in memory"),
)

TITLES: Final = {row.key: row.title for row in (*THROUGHPUT, *LATENCY, *RECOVERY)} | {
    row.key: row.title for row in MEMORY[2:]
}
