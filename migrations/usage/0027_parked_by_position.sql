-- Of two counts of parked usage the newer is that of the greater journal position, as of totals. Their time is that of
-- the record flushed last, which is its producer's: with two producers, or one on two partitions, it goes back as well.
ALTER TABLE beaas.parked_usage ADD COLUMN journal_position bigint NOT NULL DEFAULT -1;
