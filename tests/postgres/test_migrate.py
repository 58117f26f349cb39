"""Migrations apply once, in order, and nobody rewrites them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from billing.currency import EXPONENTS
from connectors.postgres.migrate import MigrationDrift, check, migrate, migrations


def tree(root: Path, **texts: str) -> Path:
    """Files by `domain__NNNN_name`."""
    for name, text in texts.items():
        domain, _, file = name.partition("__")
        (root / domain).mkdir(exist_ok=True)
        (root / domain / f"{file}.sql").write_text(text)
    return root


def names(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace")
        return {name for (name,) in rows}


def test_ours_apply_in_order_and_a_second_run_applies_nothing(empty_database: str) -> None:
    assert [one.number for one in check(empty_database)] == [one.number for one in migrations()]
    applied = migrate(empty_database)
    assert [one.number for one in applied] == sorted(one.number for one in migrations())
    assert migrate(empty_database) == ()
    assert check(empty_database) == ()


def test_processes_that_migrate_at_once_apply_each_file_once(empty_database: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(migrate, [empty_database] * 4))
    assert sorted(len(run) for run in runs) == [0, 0, 0, len(migrations())]


def test_a_changed_applied_file_is_refused_and_named(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, tree(tmp_path, platform__0001_a="CREATE TABLE a ()"))
    tree(tmp_path, platform__0001_a="CREATE TABLE a (b int)", platform__0002_b="CREATE TABLE b ()")
    with pytest.raises(MigrationDrift, match=r"platform/0001_a.sql was changed .* restore it"):
        migrate(empty_database, tmp_path)
    assert names(empty_database) == {"a"}


def test_a_missing_applied_file_is_refused_and_named(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, tree(tmp_path, platform__0001_a="CREATE TABLE a ()", ledger__0002_b="CREATE TABLE b ()"))
    (tmp_path / "ledger" / "0002_b.sql").unlink()
    with pytest.raises(MigrationDrift, match=r"ledger/0002_b.sql is applied and missing here"):
        migrate(empty_database, tmp_path)


def test_a_file_numbered_before_an_applied_one_is_refused(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, tree(tmp_path, platform__0002_b="CREATE TABLE b ()"))
    with pytest.raises(MigrationDrift, match=r"platform/0001_a.sql comes before the applied 0002"):
        migrate(empty_database, tree(tmp_path, platform__0001_a="CREATE TABLE a ()"))


def test_two_files_with_one_number_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationDrift, match="have one number"):
        migrations(tree(tmp_path, platform__0001_a="", ledger__0001_b=""))


def test_a_misnamed_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationDrift, match=r"ledger/12_b.sql: name it NNNN_name.sql"):
        migrations(tree(tmp_path, ledger__12_b=""))


def test_a_file_that_fails_leaves_nothing_behind_and_those_before_it_stay(empty_database: str, tmp_path: Path) -> None:
    tree(tmp_path, platform__0001_a="CREATE TABLE a ()", platform__0002_b="CREATE TABLE b (); SELECT 1 / 0")
    with pytest.raises(psycopg.errors.DivisionByZero) as failure:
        migrate(empty_database, tmp_path)
    assert failure.value.__notes__ == ["while applying migrations/platform/0002_b.sql"]
    assert names(empty_database) == {"a"}
    assert [one.number for one in check(empty_database, tmp_path)] == [2]


def test_a_file_marked_no_transaction_runs_outside_of_one(empty_database: str, tmp_path: Path) -> None:
    tree(
        tmp_path,
        platform__0001_a="CREATE TABLE a (b int)",
        platform__0002_b="-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS a_b ON a (b)",
    )
    assert len(migrate(empty_database, tmp_path)) == 2
    assert names(empty_database) == {"a", "a_b"}


def test_a_migration_waits_five_seconds_for_a_lock_and_no_longer(empty_database: str, tmp_path: Path) -> None:
    migrate(empty_database, tree(tmp_path, platform__0001_a="CREATE TABLE a ()"))
    tree(tmp_path, platform__0002_b="SET LOCAL lock_timeout = '50ms'; ALTER TABLE a ADD b int")
    with psycopg.connect(empty_database) as holder:
        holder.execute("LOCK TABLE a")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            migrate(empty_database, tmp_path)
    tree(tmp_path, platform__0002_b="DO $$ BEGIN ASSERT current_setting('lock_timeout') = '5s'; END $$")
    assert len(migrate(empty_database, tmp_path)) == 1


def test_the_database_knows_the_currencies_that_billing_knows(owner: psycopg.Connection) -> None:
    rows = owner.execute("SELECT currency, exponent FROM beaas.currencies")
    assert dict(rows.fetchall()) == dict(EXPONENTS), "add a migration with the difference"
