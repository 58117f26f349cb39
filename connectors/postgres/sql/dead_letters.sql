-- name: insert_dead_letters :exec
-- The dead letters are kept; one that is there already stays as it is.
-- optional: tenant_ids, customer_ids, keys, dead_values, first_positions, redrives_of
INSERT INTO beaas.dead_letters (
    letter_partition, letter_offset, source_topic, source_partition, source_offset, reason, detail, tenant_id,
    customer_id, key, value, header_names, header_values, first_position, received_at, redrive_of
)
SELECT d.letter_partition, d.letter_offset, d.source_topic, d.source_partition, d.source_offset, d.reason, d.detail,
    d.tenant_id, d.customer_id, d.key, d.dead_value,
    ARRAY(SELECT h ->> 0 FROM jsonb_array_elements(d.headers) WITH ORDINALITY AS e (h, place) ORDER BY place),
    ARRAY(SELECT decode(h ->> 1, 'hex') FROM jsonb_array_elements(d.headers) WITH ORDINALITY AS e (h, place)
        ORDER BY place),
    d.first_position, d.received_at, d.redrive_of
FROM unnest(
    %(letter_partitions)s::integer[], %(letter_offsets)s::bigint[], %(topics)s::text[], %(partitions)s::integer[],
    %(offsets)s::bigint[], %(reasons)s::text[], %(details)s::text[], %(tenant_ids)s::text[], %(customer_ids)s::text[],
    %(keys)s::bytea[], %(dead_values)s::bytea[], %(headers)s::jsonb[], %(first_positions)s::bigint[],
    %(received_ats)s::timestamptz[], %(redrives_of)s::text[]
) AS d (
    letter_partition, letter_offset, source_topic, source_partition, source_offset, reason, detail, tenant_id,
    customer_id, key, dead_value, headers, first_position, received_at, redrive_of
)
ON CONFLICT DO NOTHING;

-- name: mark_redriven :exec
-- The dead letters are known as put back; one that was stays as it is.
UPDATE beaas.dead_letters AS d SET
    redriven_at = m.redriven_at, redriven_run = m.run, redriven_topic = m.topic, redriven_partition = m.partition_,
    redriven_offset = m.offset_, redriven_edited = m.edited
FROM unnest(
    %(letter_partitions)s::integer[], %(letter_offsets)s::bigint[], %(redriven_ats)s::timestamptz[], %(runs)s::text[],
    %(topics)s::text[], %(partitions)s::integer[], %(offsets)s::bigint[], %(edited)s::boolean[]
) AS m (letter_partition, letter_offset, redriven_at, run, topic, partition_, offset_, edited)
WHERE d.letter_partition = m.letter_partition AND d.letter_offset = m.letter_offset AND d.redriven_at IS NULL;

-- name: letter_counts :many
-- How many dead letters there are of each tenant (`-`: it could not be read) and reason.
-- optional: tenant, reason, since
SELECT coalesce(tenant_id, '-') AS tenant, reason, count(*) AS letters, count(redriven_at) AS redriven,
    min(received_at) AS oldest_at, max(received_at) AS newest_at
FROM beaas.dead_letters
WHERE (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s::timestamptz)
GROUP BY 1, 2
ORDER BY 1, 2;

-- name: newest_letters :many
-- The newest dead letters, the newest first.
-- optional: tenant, reason, since
-- nullable: customer, redriven_at
SELECT letter_partition, letter_offset, coalesce(tenant_id, '-') AS tenant, customer_id AS customer, reason, detail,
    received_at, redriven_at
FROM beaas.dead_letters
WHERE (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s::timestamptz)
ORDER BY received_at DESC, letter_partition DESC, letter_offset DESC
LIMIT %(most)s::bigint;

-- name: letter_at :one
-- The dead letter that stands there, whole.
-- nullable: tenant_id, customer_id, key, value, first_position, redrive_of, redriven_at, redriven_run, redriven_topic, redriven_partition, redriven_offset, redriven_edited
SELECT source_topic, source_partition, source_offset, reason, detail, tenant_id, customer_id, key, value, header_names,
    header_values, first_position, received_at, redrive_of, redriven_at, redriven_run, redriven_topic,
    redriven_partition, redriven_offset, redriven_edited
FROM beaas.dead_letters
WHERE letter_partition = %(letter_partition)s AND letter_offset = %(letter_offset)s;

-- name: letters_after :many
-- The dead letters that a letter became once it was put back, the oldest first.
SELECT letter_partition, letter_offset, reason, received_at
FROM beaas.dead_letters
WHERE redrive_of = %(redrive_of)s::text
ORDER BY received_at, letter_partition, letter_offset
LIMIT 100;

-- name: letters_to_redrive :many
-- The oldest dead letters that were not put back yet, whose place is known, and that are of no hopeless reason.
-- optional: tenant, reason
SELECT letter_partition, letter_offset
FROM beaas.dead_letters
WHERE redriven_at IS NULL AND letter_partition >= 0 AND reason <> ALL (%(hopeless)s::text[])
AND (%(tenant)s::text IS NULL OR coalesce(tenant_id, '-') = %(tenant)s::text)
AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
ORDER BY received_at, letter_partition, letter_offset
LIMIT %(most)s::bigint;
