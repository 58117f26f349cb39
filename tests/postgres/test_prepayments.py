"""Credit that was paid for stands in the ledger once, and who may grant it may post nothing else."""

import shutil
from importlib.resources import as_file, files
from pathlib import Path

import psycopg
import pytest

from connectors.postgres.migrate import migrate
from connectors.postgres.outbox import Outbox
from connectors.postgres.pool import Pool
from connectors.postgres.unit_of_work import unit_of_work
from tests.postgres.builders import Credit, grant, seed

TRANSACTION = (
    "INSERT INTO beaas.ledger_transactions (tenant_id, transaction_id, customer_id, currency, posted_at, grant_id)"
    " VALUES ('acme', '00000000-0000-0000-0000-000000000001', 'c1', 'USD', now(), {})"
)
POSTINGS = (
    "INSERT INTO beaas.postings (tenant_id, transaction_id, position, account, amount_minor)"
    " VALUES ('acme', '00000000-0000-0000-0000-000000000001', 1, 'prepayments', 300),"
    " ('acme', '00000000-0000-0000-0000-000000000001', 2, '{}', -300)"
)
BALANCE = "SELECT tenant, account, debit::text, credit::text FROM report.trial_balance ORDER BY tenant, account"


async def post(pool: Pool, outbox: Outbox, *, grant_id: str = "'g'", account: str = "customer_credit") -> None:
    async with unit_of_work(pool, "acme", outbox=outbox) as work:
        await work.connection.execute(TRANSACTION.format(grant_id).encode())
        await work.connection.execute(POSTINGS.format(account).encode())


async def test_the_role_behind_http_posts_what_a_grant_was_paid_with(
    api: Pool, outbox: Outbox, owner: psycopg.Connection
) -> None:
    grant(owner, Credit("g", 300))
    await post(api, outbox)
    assert owner.execute(BALANCE).fetchall() == [
        ("acme", "customer_credit", "0.00", "3.00"),
        ("acme", "prepayments", "3.00", "0.00"),
    ]


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ({"grant_id": "NULL"}, psycopg.errors.InsufficientPrivilege),
        ({"account": "revenue:calls"}, psycopg.errors.InsufficientPrivilege),
        ({"grant_id": "'unknown'"}, psycopg.errors.ForeignKeyViolation),
    ],
    ids=["of no grant", "revenue", "of an unknown grant"],
)
async def test_it_posts_nothing_else(
    api: Pool, outbox: Outbox, owner: psycopg.Connection, refused: dict[str, str], error: type[psycopg.Error]
) -> None:
    grant(owner, Credit("g", 300))
    with pytest.raises(error):
        await post(api, outbox, **refused)
    assert owner.execute(BALANCE).fetchall() == []


async def test_a_grant_is_posted_once(service: Pool, outbox: Outbox, owner: psycopg.Connection) -> None:
    grant(owner, Credit("g", 300))
    await post(service, outbox)
    again = TRANSACTION.format("'g'").replace("0001'", "0002'")
    with pytest.raises(psycopg.errors.UniqueViolation):
        owner.execute(again.encode())


def before(number: int, root: Path) -> Path:
    """Our migrations whose numbers are below this one."""
    with as_file(files("migrations")) as ours:
        for file in ours.glob("*/*.sql"):
            if int(file.name[:4]) < number:
                (root / file.parent.name).mkdir(exist_ok=True)
                shutil.copy(file, root / file.parent.name)
    return root


def test_what_was_granted_and_agreed_before_is_posted_and_understood(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, before(15, tmp_path))
    with psycopg.connect(empty_database, autocommit=True) as owner:
        seed(owner)
        grant(owner, Credit("paid", 300))
        grant(owner, Credit("paid", 70, tenant="bolt"))
        owner.execute(
            "UPDATE beaas.subscriptions SET anchor_at = anchor_at - interval '1 day' WHERE customer_id = 'c1'"
        )
        migrate(empty_database)
        assert owner.execute(BALANCE).fetchall() == [
            ("acme", "customer_credit", "0.00", "3.00"),
            ("acme", "prepayments", "3.00", "0.00"),
            ("bolt", "customer_credit", "0", "70"),
            ("bolt", "prepayments", "70", "0"),
        ]
        on_calendar = owner.execute(
            "SELECT DISTINCT subscription_id, on_calendar FROM beaas.subscriptions ORDER BY subscription_id"
        )
        assert on_calendar.fetchall() == [("s1", True), ("s2", False), ("s3", False), ("s4", False)]
