"""Laws of the schema that a new table can't forget, each with a table that breaks it."""

import psycopg
import pytest

NOBODYS = {"migrations", "currencies", "placement"}
"""Tables without a tenant: bookkeeping, and the same for everybody."""

WITHOUT_TENANT = """
SELECT relname FROM pg_class c WHERE relnamespace = 'beaas'::regnamespace AND relkind IN ('r', 'p')
AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id' AND NOT attisdropped)
"""
NOT_ISOLATED = """
SELECT relname FROM pg_class c WHERE relnamespace = 'beaas'::regnamespace AND relkind IN ('r', 'p')
AND NOT (relrowsecurity AND relforcerowsecurity AND (
    SELECT array_agg(r.rolname::text ORDER BY r.rolname) FROM pg_policy p JOIN pg_roles r ON r.oid = ANY(p.polroles)
    WHERE p.polrelid = c.oid AND p.polcmd = '*' AND p.polwithcheck IS NOT NULL
) IS NOT DISTINCT FROM ARRAY['beaas_api', 'beaas_service'])
"""
KEYS_WITHOUT_TENANT = """
SELECT conrelid::regclass || ' ' || conname FROM pg_constraint k
WHERE contype = 'f' AND connamespace = 'beaas'::regnamespace AND confrelid <> 'beaas.currencies'::regclass
AND NOT EXISTS (
    SELECT FROM unnest(conkey, confkey) AS pair (here, there)
    JOIN pg_attribute a ON a.attrelid = conrelid AND a.attnum = here AND a.attname = 'tenant_id'
    JOIN pg_attribute b ON b.attrelid = confrelid AND b.attnum = there AND b.attname = 'tenant_id')
"""
VIEWS_OF_THEIR_OWNER = """
SELECT relname FROM pg_class WHERE relnamespace IN ('beaas'::regnamespace, 'report'::regnamespace)
AND relkind IN ('v', 'm') AND NOT coalesce('security_invoker=true' = ANY(reloptions), false)
"""
FUNCTIONS_OF_THEIR_OWNER = """
SELECT proname FROM pg_proc WHERE pronamespace IN ('beaas'::regnamespace, 'report'::regnamespace) AND prosecdef
"""
TRUNCATE_GRANTED = """
SELECT grantee || ' ' || table_name FROM information_schema.role_table_grants
WHERE table_schema = 'beaas' AND privilege_type IN ('TRUNCATE', 'TRIGGER', 'REFERENCES') AND grantee LIKE 'beaas%'
"""
GRANTED_TO_ALL = """
SELECT table_name FROM information_schema.role_table_grants
WHERE table_schema IN ('beaas', 'report') AND grantee = 'PUBLIC'
"""
POWERFUL = "SELECT rolname FROM pg_roles WHERE rolname LIKE 'beaas%' AND (rolsuper OR rolbypassrls OR rolcanlogin)"

LAWS = {
    "every table has a tenant": (WITHOUT_TENANT, "CREATE TABLE beaas.bad (a int)", {"bad"}, NOBODYS),
    "every table forces row-level security for both roles": (
        NOT_ISOLATED,
        "CREATE TABLE beaas.bad (tenant_id text); ALTER TABLE beaas.bad ENABLE ROW LEVEL SECURITY",
        {"bad"},
        NOBODYS,
    ),
    "every foreign key carries the tenant": (
        KEYS_WITHOUT_TENANT,
        """ALTER TABLE beaas.invoices ADD UNIQUE (invoice_id);
        CREATE TABLE beaas.bad (tenant_id text, invoice_id uuid REFERENCES beaas.invoices (invoice_id))""",
        {"beaas.bad bad_invoice_id_fkey"},
        set(),
    ),
    "every view has the rights of whoever asks": (
        VIEWS_OF_THEIR_OWNER,
        "CREATE VIEW report.bad AS SELECT * FROM beaas.invoices",
        {"bad"},
        set(),
    ),
    "no function has its owner's rights": (
        FUNCTIONS_OF_THEIR_OWNER,
        "CREATE FUNCTION beaas.bad() RETURNS bigint SECURITY DEFINER RETURN (SELECT count(*) FROM beaas.invoices)",
        {"bad"},
        set(),
    ),
    "nobody may truncate": (
        TRUNCATE_GRANTED,
        "GRANT TRUNCATE ON beaas.customers TO beaas_service",
        {"beaas_service customers"},
        set(),
    ),
    "nothing is granted to everybody": (
        GRANTED_TO_ALL,
        "GRANT SELECT ON beaas.customers TO PUBLIC",
        {"customers"},
        set(),
    ),
    "no role of ours is above row-level security": (POWERFUL, "ALTER ROLE beaas_api BYPASSRLS", {"beaas_api"}, set()),
}


@pytest.mark.parametrize("law", LAWS)
def test_a_law_of_the_schema_holds_and_sees_what_breaks_it(shared_owner: psycopg.Connection, law: str) -> None:
    broken_by, planted, seen, exceptions = LAWS[law]
    assert {name for (name,) in shared_owner.execute(broken_by)} == exceptions
    with shared_owner.transaction(force_rollback=True):
        shared_owner.execute(planted)
        assert {name for (name,) in shared_owner.execute(broken_by)} == exceptions | seen


LOOK_UP = "EXPLAIN (GENERIC_PLAN) SELECT 1 FROM ONLY {} WHERE {} FOR KEY SHARE"
KEYS = """
SELECT confrelid::regclass::text, array_agg(attname::text ORDER BY attname) FROM pg_constraint
JOIN pg_attribute ON attrelid = confrelid AND attnum = ANY(confkey)
WHERE contype = 'f' AND connamespace = 'beaas'::regnamespace GROUP BY pg_constraint.oid, confrelid
"""


def test_no_key_is_looked_up_among_all_rows_of_its_tenant(owner: psycopg.Connection) -> None:
    """On tables that nobody has analysed yet, too: a session keeps the plan that it made on the first day.

    In a database of its own: an index that another test made and rolled back leaves the size of its table behind.
    """
    with owner.transaction(force_rollback=True):
        owner.execute("SET LOCAL enable_seqscan = off")
        owner.execute("SET LOCAL enable_bitmapscan = off")
        plans = {}
        for table, columns in owner.execute(KEYS).fetchall():
            conditions = " AND ".join(f"{column} = ${place}" for place, column in enumerate(columns, start=1))
            query = LOOK_UP.format(table, conditions).encode()
            explained = psycopg.ClientCursor(owner).execute(query)  # the protocol that lets $1 stand for anything
            plans[table, *columns] = "\n".join(line for (line,) in explained)
    assert {key: plan for key, plan in plans.items() if "Index Cond" not in plan or "Filter" in plan} == {}
    assert ("beaas.invoices", "invoice_id", "tenant_id") in plans
