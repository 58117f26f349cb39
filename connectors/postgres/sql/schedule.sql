-- name: try_to_lead :one
-- Whether this session is the one scheduler now; it stays so until the session ends.
SELECT pg_try_advisory_lock(hashtextextended('beaas.scheduler', 0)) AS leads

-- name: serialize_rounds :exec
-- Lets one scheduler's transaction run at a time: one that lost its lead without knowing can't come between.
SELECT FROM pg_advisory_xact_lock(hashtextextended('beaas.scheduler.round', 0))

-- name: listen :exec
-- Tells this session, from now on, when the scheduler is woken.
LISTEN beaas_scheduler

-- name: wake_scheduler :exec
-- Wakes the scheduler once this transaction is committed.
SELECT FROM pg_notify('beaas_scheduler', '')

-- name: append_commands :exec
-- Adds commands, in this order, behind every other of their accounts.
-- optional: subscription_ids
INSERT INTO beaas.journal_commands (
    tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id)
SELECT tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id
FROM unnest(
    %(tenant_ids)s::text[], %(command_ids)s::uuid[], %(customer_ids)s::text[], %(subscription_ids)s::text[],
    %(kinds)s::text[], %(ats)s::timestamptz[], %(payloads)s::bytea[], %(barriers)s::boolean[],
    %(correlation_ids)s::text[], %(causation_ids)s::text[])
    WITH ORDINALITY AS given (
        tenant_id, command_id, customer_id, subscription_id, kind, at, payload, barrier, correlation_id, causation_id,
        position)
ORDER BY position

-- name: command_by_id :one
-- The command, if there is one.
SELECT sequence::bigint AS sequence FROM beaas.journal_commands
WHERE tenant_id = %(tenant_id)s AND command_id = %(command_id)s

-- name: record_ticks :exec
-- Notes that these jobs ran for these moments; a moment that was noted before is refused as not unique.
INSERT INTO beaas.ticks (tenant_id, job, due_at)
SELECT * FROM unnest(%(tenant_ids)s::text[], %(jobs)s::text[], %(due_ats)s::timestamptz[])

-- name: unnoted_commands :many
-- The commands, committed by now, for which no offsets are noted yet.
SELECT tenant_id, command_id
FROM beaas.journal_commands
WHERE released_at IS NULL AND barrier AND noted_at IS NULL
ORDER BY sequence
LIMIT %(most)s

-- name: note_commands :execrows
-- Notes the offsets that intake has to pass for exactly these commands, whose ids no two tenants share.
UPDATE beaas.journal_commands
SET noted_at = %(noted_at)s, noted_offsets = %(offsets)s::text::jsonb
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND command_id = ANY(%(command_ids)s::uuid[])
AND noted_at IS NULL AND released_at IS NULL

-- name: noted_offsets :many
-- The different offsets that commands still wait for.
SELECT DISTINCT noted_at::timestamptz AS noted_at, noted_offsets::jsonb AS offsets
FROM beaas.journal_commands
WHERE released_at IS NULL AND noted_at IS NOT NULL

-- name: releasable_commands :many
-- The next commands with nothing of their account before them that still has to wait, in their order.
-- `passed` names the notes that intake has passed.
WITH held AS (
    SELECT tenant_id, customer_id, min(sequence) AS sequence
    FROM beaas.journal_commands
    WHERE released_at IS NULL AND barrier AND NOT coalesce(noted_at = ANY(%(passed)s::timestamptz[]), false)
    GROUP BY tenant_id, customer_id
)
SELECT c.tenant_id, c.command_id, c.customer_id, c.kind, c.at, c.payload, c.correlation_id, c.causation_id
FROM beaas.journal_commands AS c
LEFT JOIN held AS h USING (tenant_id, customer_id)
WHERE c.released_at IS NULL AND (h.sequence IS NULL OR c.sequence < h.sequence)
ORDER BY c.sequence
LIMIT %(most)s

-- name: mark_released :execrows
-- Marks commands, whose ids no two tenants share, as released; those that no statement answers are settled by that.
UPDATE beaas.journal_commands
SET released_at = %(released_at)s,
    settled_at = CASE WHEN kind = 'UsageVoided' THEN %(released_at)s ELSE settled_at END
WHERE tenant_id = ANY(%(tenant_ids)s::text[]) AND command_id = ANY(%(command_ids)s::uuid[])
AND released_at IS NULL

-- name: count_waiting :one
-- How many commands are not released, and how many of them wait for intake.
SELECT count(*) AS unreleased, count(*) FILTER (WHERE barrier) AS at_barrier
FROM beaas.journal_commands
WHERE released_at IS NULL

-- name: settlement :one
-- How far a tenant's commands with a moment at or before the instant have come, and how many subscriptions still have
-- something due by then.
SELECT
    (SELECT count(*) FROM beaas.journal_commands AS c
     WHERE c.tenant_id = %(tenant_id)s AND c.at <= %(instant)s) AS commands,
    (SELECT count(*) FROM beaas.journal_commands AS c
     WHERE c.tenant_id = %(tenant_id)s AND c.at <= %(instant)s AND c.settled_at IS NULL) AS unsettled,
    (SELECT count(*) FROM beaas.subscriptions AS s
     WHERE s.tenant_id = %(tenant_id)s AND s.next_due_at <= %(instant)s) AS due
