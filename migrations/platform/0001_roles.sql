-- Roles, schemas, and the two helpers that every table after this is made safe with.
-- Roles belong to the whole server: another database of it may have made them already, or be making them right now.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['beaas_api', 'beaas_service'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN NOBYPASSRLS', wanted);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;
            END;
        END IF;
        IF NOT pg_has_role(current_user, wanted, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER WITH INHERIT TRUE, SET TRUE', wanted);
        END IF;
    END LOOP;
END
$$;

CREATE SCHEMA report;
GRANT USAGE ON SCHEMA beaas, report TO beaas_api, beaas_service;

-- A code of the tenant's own: three of them fit into an index entry, which has at most 2,704 bytes.
CREATE DOMAIN beaas.code AS text CHECK (length(VALUE) BETWEEN 1 AND 256 AND octet_length(VALUE) <= 768);
CREATE DOMAIN beaas.minor AS numeric(76, 0);

CREATE FUNCTION beaas.isolate(isolated regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', isolated);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', isolated);
    -- After its first use in a session an unset setting is '', not null: neither may ever match a row.
    EXECUTE format(
        'CREATE POLICY one_tenant ON %s TO beaas_api '
        'USING (tenant_id = nullif(current_setting(''beaas.tenant_id'', true), '''')) '
        'WITH CHECK (tenant_id = nullif(current_setting(''beaas.tenant_id'', true), ''''))', isolated);
    EXECUTE format('CREATE POLICY all_tenants ON %s TO beaas_service USING (true) WITH CHECK (true)', isolated);
    -- A table that nobody has analysed yet: one tenant has all of its rows. Otherwise every index that begins with
    -- the tenant looks as good as the right one, and a session that began on the empty table keeps reading the whole
    -- tenant for each foreign key (measured: 70 invoices a second after 3,000 of them, in place of 1,900).
    PERFORM pg_restore_attribute_stats(
        'schemaname', split_part(isolated::text, '.', 1), 'relname', split_part(isolated::text, '.', 2),
        'attname', 'tenant_id', 'inherited', false, 'null_frac', 0::real, 'avg_width', 8, 'n_distinct', 1::real);
END
$$;
COMMENT ON FUNCTION beaas.isolate IS 'Forces row-level security: beaas_api sees the tenant in beaas.tenant_id, beaas_service all.';
REVOKE EXECUTE ON FUNCTION beaas.isolate FROM PUBLIC;

CREATE FUNCTION beaas.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is refused: its rows never change', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation', HINT = 'Write a new entry that names the old one.';
END
$$;

CREATE FUNCTION beaas.freeze(frozen regclass, refused text DEFAULT 'UPDATE OR DELETE OR TRUNCATE') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER frozen BEFORE %s ON %s FOR EACH STATEMENT EXECUTE FUNCTION beaas.refuse_change()',
        refused, frozen);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER frozen', frozen);
END
$$;
COMMENT ON FUNCTION beaas.freeze IS 'Refuses every change of the table''s rows but new ones, to every role.';
REVOKE EXECUTE ON FUNCTION beaas.freeze FROM PUBLIC;
