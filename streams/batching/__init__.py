"""The batch transport: Faust with one event per fetch, and one Kafka transaction per flush.

It knows nothing of billing. An application states a source topic, its tables and a fold (`BatchApp.fold`), and gets
every record of a partition folded once, in order, and every flush whole or not at all, whatever crashes.
Four rules make it exact:

1. A flush is one transaction of the partition's own producer: changed keys, outcomes and the source position.
2. Taking a partition over: start that producer (fences the former owner, aborts what it left open), then read the
   changelogs to their end with `read_committed`, then go on at the position that the restored state names.
3. Every fetch says at which position it started, so that a delivery lost on the way is seen and fetched again.
4. Any doubt ends the process with status 70; a restart is always safe.
"""
