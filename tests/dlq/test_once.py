"""A letter goes back exactly once: whatever dies, whoever else runs, however often it is asked for."""

import asyncio
import json
from collections import Counter

import pytest
from confluent_kafka import Producer

from tests.dlq.ground import Ground, usage
from tests.support.pipeline import until

STOPS_SHORT_WITHIN_S = 3.0
"""Once it reads, a reader that stops at the open transaction is there in one poll of a second."""
STEPS = ("begun", "before produce", "after produce", "after mark", "after commit")


def laid(ground: Ground, count: int, *, since: int = 0) -> dict[str, bytes]:
    """Letters of good usage in both partitions: id -> bytes."""
    values = [ground.codec.encode_usage(usage(since + number)) for number in range(count)]
    found: dict[str, bytes] = {}
    for partition in (0, 1):
        mine = values[partition::2]
        found.update(zip(ground.lay([ground.letter(value) for value in mine], partition=partition), mine, strict=True))
    return found


@pytest.mark.parametrize("step", STEPS)
async def test_a_redrive_killed_at_any_step_and_run_again_puts_each_letter_back_once(ground: Ground, step: str) -> None:
    letters = laid(ground, 6)
    await ground.dlq("redrive", *letters, dies=step)
    again = await ground.dlq("redrive", *letters)
    assert again.status == 0, again
    done = step == "after commit"
    assert again.out.splitlines()[-1] == ("6 already put back" if done else "6 put back")
    assert ground.put_back() == sorted(letters.items())
    assert ground.markers() == Counter(letters.keys())


async def test_a_redrive_that_marks_in_a_second_transaction_is_caught(ground: Ground) -> None:
    """The planted bug: the checks above see the letters that go back twice."""
    letters = laid(ground, 2)
    await ground.dlq("redrive", *letters, dies="between its transactions", planted="marks in a second transaction")
    again = await ground.dlq("redrive", *letters)
    assert again.out.splitlines()[-1] == "2 put back"
    assert ground.put_back() == sorted([*letters.items(), *letters.items()])


async def test_two_redrives_at_once_put_each_letter_back_once(ground: Ground) -> None:
    letters = laid(ground, 40)
    ran = await asyncio.gather(*[ground.dlq("redrive", *letters) for _ in range(3)])
    assert {one.status for one in ran} <= {0, 1}
    assert all(one.status == 0 or "another redrive has begun" in one.err for one in ran), ran
    assert any(one.status == 0 for one in ran)
    assert ground.put_back() == sorted(letters.items())
    assert ground.markers().total() == len(letters)


async def test_a_second_redrive_says_when_the_first_was_and_changes_nothing(ground: Ground) -> None:
    [(name, value)] = laid(ground, 1).items()
    first = json.loads((await ground.dlq("redrive", name, "--json")).out)
    ends = ground.records("dead-letters")
    second = await ground.dlq("redrive", name)
    assert second.status == 0
    assert second.out.startswith(f"{name}  already put back at 20")
    assert second.out.endswith(f"by run {first['run']}\n1 already put back\n")
    assert ground.put_back() == [(name, value)]
    assert len(ground.records("dead-letters")) == len(ends)


async def test_a_marker_behind_another_writers_open_transaction_is_seen(ground: Ground) -> None:
    """The end of what is stable is not the end: a reader that stops there would put the letter back twice."""
    [name] = laid(ground, 1)
    worker = Producer({"bootstrap.servers": ground.servers, "transactional.id": f"{ground.prefix}worker"})
    worker.init_transactions(20)
    worker.begin_transaction()
    worker.produce(ground.letters, ground.codec.encode(ground.letters, ground.letter(b"of a worker")), partition=0)
    worker.flush(20)
    ground.mark(name)
    reads = ground.directory / "reads"
    redriving = asyncio.create_task(ground.dlq("redrive", name, reads=reads))

    async def begun() -> bool:
        return reads.exists() or redriving.done()

    await until(begun, "the redrive to read")
    done, _ = await asyncio.wait({redriving}, timeout=STOPS_SHORT_WITHIN_S)
    assert not done, redriving.result()
    worker.commit_transaction(20)
    assert (await redriving).out.endswith("1 already put back\n")
    assert ground.put_back() == []


async def test_a_dry_run_says_what_would_be_and_changes_nothing(ground: Ground) -> None:
    letters = laid(ground, 3)
    before = len(ground.records("dead-letters"))
    ran = await ground.dlq("redrive", *letters, "--dry-run")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "3 would be put back")
    assert ground.put_back() == []
    assert len(ground.records("dead-letters")) == before


@pytest.mark.parametrize("name", ["0-999", "7-0", "0", "0-1-2", "a-b", "00-1", "0-1\n", "0-99999999999999999999"])
async def test_a_wrong_id_is_said_and_nothing_goes_back(ground: Ground, name: str) -> None:
    [good] = laid(ground, 1)
    ran = await ground.dlq("redrive", good, name)
    assert (ran.status, ran.out) == (2, ""), ran
    assert ground.put_back() == []


async def test_what_goes_back_is_the_record_as_it_was_with_its_headers(ground: Ground) -> None:
    value = ground.codec.encode_usage(usage(1))
    [name] = ground.lay([ground.letter(value)])
    await ground.dlq("redrive", name)
    [message] = ground.records("usage")
    assert (message.key(), message.value()) == (b"T/c", value)
    assert message.headers() == [("h", b"\x00"), ("null", None), ("beaas-redrive-of", name.encode())]


async def test_what_can_only_die_again_is_refused_with_advice(ground: Ground) -> None:
    good = ground.codec.encode_usage(usage(1))
    letters = {
        "tombstone": (ground.letter(None, reason="tombstone"), "it has no value"),
        "conflict": (ground.letter(good, reason="conflict", topic="journal"), "Send it under a new id"),
        "cut": (ground.letter(good[:-3], reason="malformed"), "intake would refuse it again, malformed"),
        "unknown": (ground.letter(b"\0\x7f\xff\xff\xff" + good[5:], reason="unknown-schema"), "again, unknown-schema"),
        "no usage": (ground.letter(b"command", reason="malformed", topic="journal"), "it is no usage"),
        "statement": (ground.letter(b"s", reason="malformed", topic="statements"), "put it back by --force"),
        "elsewhere": (ground.letter(b"s", reason="malformed", topic="invoice"), "nothing is put back to"),
    }
    ids = ground.lay([letter for letter, _ in letters.values()])
    ran = await ground.dlq("redrive", *ids)
    assert ran.status == 1
    *lines, summary = ran.out.splitlines()
    assert summary == "7 refused"
    assert [(line.split()[0], why in line) for line, (_, why) in zip(lines, letters.values(), strict=True)] == [
        (name, True) for name in ids
    ], ran.out
    assert ground.put_back() == []
    forced = await ground.dlq("redrive", *ids, "--force")
    assert (forced.status, forced.out.splitlines()[-1]) == (1, "3 put back, 4 refused")
    assert [name for name, _ in ground.put_back()] == [ids[2], ids[3]]
    [statement] = ground.records("statements")
    assert (statement.partition(), statement.value()) == (1, b"s")  # where it stood


async def test_a_letter_goes_back_corrected(ground: Ground) -> None:
    [name] = ground.lay([ground.letter(b"{", reason="malformed-json", tenant=None)])
    corrected = ground.directory / "corrected"
    corrected.write_bytes(ground.codec.encode_usage(usage(5)))
    ran = await ground.dlq("redrive", name, "--value", str(corrected))
    assert ran.status == 0, ran
    assert ground.put_back() == [(name, corrected.read_bytes())]


async def test_more_letters_than_a_transaction_takes_all_go_back(ground: Ground) -> None:
    letters = laid(ground, 1_201)
    ran = await ground.dlq("redrive", *letters)
    assert ran.out.splitlines()[-2:] == ["… and 1,181 more", "1,201 put back"]
    assert ground.put_back() == sorted(letters.items())
