"""`beaas dlq redrive`: dead letters put back, each once."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from uuid import uuid4

from schemas.letters import LetterId
from streams.cli import WrongUse
from streams.cli.commands import progress_bar, reached_postgres
from streams.cli.dlq import Selection, id_of
from streams.cli.failures import FAILED, WELL
from streams.cli.letter import moment, printable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from schemas.codec import Codec
    from streams.redrive.run import Report, Seen
    from streams.redrive.topic import LetterTopic
    from streams.redrive.transaction import Redriver
    from streams.redrive.verdict import Judge
    from streams.settings import Settings

LETTERS_AT_ONCE: Final = 1_000
MOST_LETTERS: Final = 100_000
"""Of one run: their names and what became of them stay in memory."""
MOST_NAMED: Final = 20
"""Letters that are told of one by one."""


@dataclass(frozen=True, slots=True)
class How:
    """How a redrive goes about it."""

    every: bool
    dry_run: bool
    yes: bool
    force: bool
    value: Path | None
    json: bool


def redrive_letters(settings: Settings, names: Sequence[str], chosen: Selection, how: How) -> int:
    """Puts letters back, each once, and says what became of each.

    Raises:
        WrongUse: no such letter, or nothing chosen.
        RedriveFenced, RedriveFailed, LettersUnreadable: what ended it; letters that went back are told of before.
    """
    from streams.app import codec_of

    given = _given(names, how.value)
    codec = codec_of(settings)
    wanted = [id_of(name) for name in names] or asyncio.run(_selected(settings, chosen, every=how.every))
    if not names and wanted and not (how.yes or how.dry_run or _confirmed(len(wanted), settings)):
        return FAILED
    topic, judge, run = _topic(settings, codec), _judge(settings, codec, force=how.force), f"redrive-{uuid4()}"
    writer = None if how.dry_run else _writer(settings, codec, run)
    from streams.redrive.run import Report, look

    seen, report = look(topic, wanted), Report()
    missing = sorted(frozenset(wanted) - seen.there)
    if missing and names:
        raise WrongUse(f"there is no dead letter {', '.join(map(str, missing[:MOST_NAMED]))}; nothing was put back")
    try:
        _put_back(topic, judge, writer, seen, report, given)
    finally:
        _tell(report, seen, len(missing), run, how)
    return FAILED if report.kept else WELL


def _given(names: Sequence[str], value: Path | None) -> dict[LetterId, bytes]:
    """Returns the value that goes back in place of the one letter's own."""
    from schemas import topics

    if value is None:
        return {}
    if len(names) != 1:
        raise WrongUse("--value FILE goes back in place of one letter: name that letter alone")
    try:
        with value.open("rb") as file:
            return {id_of(names[0]): file.read(topics.USAGE.largest_value_bytes + 1)}
    except OSError as error:
        raise WrongUse(f"--value {value}: {error.strerror}") from None


async def _selected(settings: Settings, chosen: Selection, *, every: bool) -> list[LetterId]:
    from connectors.postgres.queries.dead_letters import letters_to_redrive
    from streams.redrive.reasons import HOPELESS

    if chosen.tenant is None and chosen.reason is None:
        raise WrongUse("name letters, or --tenant, or --reason; `beaas dlq list` shows what there is")
    most = MOST_LETTERS if every else LETTERS_AT_ONCE
    async with reached_postgres(settings, "dlq") as pool, pool.connection() as connection:
        found = await letters_to_redrive(
            connection,
            tenant=chosen.tenant,
            reason=chosen.reason,
            hopeless=[one for one in HOPELESS if one != chosen.reason],
            most=most,
        )
    if len(found) == most:
        sys.stderr.write(f"beaas: the oldest {most:,}; run it again for more{'' if every else ', or with --all'}\n")
    return [LetterId(one.letter_partition, one.letter_offset) for one in found]


def _confirmed(letters: int, settings: Settings) -> bool:
    if not sys.stdin.isatty():
        raise WrongUse(f"{letters:,} letters would be put back: look at them with --dry-run, then say --yes")
    sys.stderr.write(f"put {letters:,} letters back to {settings.topic_prefix}usage? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _topic(settings: Settings, codec: Codec) -> LetterTopic:
    from schemas import topics
    from streams.redrive.topic import LetterTopic

    return LetterTopic(settings.kafka_bootstrap_servers, topics.DEAD_LETTERS.full_name(settings.topic_prefix), codec)


def _judge(settings: Settings, codec: Codec, *, force: bool) -> Judge:
    from schemas import topics
    from schemas.partition import placement
    from streams.agents.deadletters import DeadLetters
    from streams.agents.intake import IntakePlan
    from streams.redrive.verdict import Judge

    prefix, partitions, tenant_slice = settings.topic_prefix, settings.partitions, settings.tenant_slice
    intake = IntakePlan(
        codec=codec,
        journal=topics.JOURNAL.full_name(prefix),
        dead_letters=DeadLetters(codec, topics.DEAD_LETTERS.full_name(prefix), partitions, tenant_slice),
        place=placement(partitions=partitions, slice_size=tenant_slice),
        usage_max_bytes=settings.usage_max_bytes,
    )
    return Judge(intake, prefix, force)


def _writer(settings: Settings, codec: Codec, run: str) -> Redriver:
    """Returns the writer, begun: from now on no other redrive can write."""
    from schemas import topics
    from streams.redrive.transaction import Redriver

    writer = Redriver(
        settings.kafka_bootstrap_servers,
        codec,
        prefix=settings.topic_prefix,
        letters=topics.DEAD_LETTERS.full_name(settings.topic_prefix),
        now=lambda: datetime.now(UTC),
        run=run,
    )
    writer.begin()
    return writer


def _put_back(  # noqa: PLR0913, PLR0917 - what a run is given
    topic: LetterTopic, judge: Judge, writer: Redriver | None, seen: Seen, report: Report, given: dict[LetterId, bytes]
) -> None:
    from streams.redrive.run import redrive

    with progress_bar() as bar:
        task = bar.add_task("letters", total=len(seen.waiting), note="put back")
        asyncio.run(
            redrive(
                topic,
                judge,
                writer,
                seen.waiting,
                edited=given,
                report=report,
                progress=lambda now: bar.update(task, completed=now.done),
            )
        )


def _tell(report: Report, seen: Seen, missing: int, run: str, how: How) -> None:
    if how.json:
        sys.stdout.write(_told_json(report, seen, missing, run) + "\n")
        return
    lines = [
        f"{one.letter_partition}-{one.letter_offset}  put back to {one.target_topic}, partition {one.target_partition},"
        f" offset {one.target_offset}"
        for one in report.put_back[:MOST_NAMED]
    ]
    lines += [f"{one.candidate.id}  would be put back to {one.topic}" for one in report.would_go[:MOST_NAMED]]
    lines += [
        f"{at}  already put back at {moment(marker.redriven_at)} by run {marker.run_id}"
        for at, marker in sorted(seen.already.items())[:MOST_NAMED]
    ]
    lines += [f"{one.id}  refused: {one.why}" for one in report.kept[:MOST_NAMED]]
    counts = {
        "put back": len(report.put_back),
        "would be put back": len(report.would_go),
        "already put back": len(seen.already),
        "refused": len(report.kept),
        "no longer there": missing,
    }
    summary = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count) or "nothing to put back"
    left_out = sum(max(0, count - MOST_NAMED) for count in counts.values())
    lines += [f"… and {left_out:,} more"] if left_out else []
    sys.stdout.writelines(f"{printable(line)}\n" for line in [*lines, summary])


def _told_json(report: Report, seen: Seen, missing: int, run: str) -> str:
    told = {
        "run": run,
        "put_back": [
            {
                "id": f"{one.letter_partition}-{one.letter_offset}",
                "topic": one.target_topic,
                "partition": one.target_partition,
                "offset": one.target_offset,
            }
            for one in report.put_back
        ],
        "would_be_put_back": [str(one.candidate.id) for one in report.would_go],
        "already_put_back": [
            {"id": str(at), "at": marker.redriven_at.isoformat(), "run": marker.run_id}
            for at, marker in sorted(seen.already.items())
        ],
        "refused": [{"id": str(one.id), "why": one.why} for one in report.kept],
        "no_longer_there": missing,
    }
    return json.dumps(told)
