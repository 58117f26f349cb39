from collections import Counter
from itertools import islice
from pathlib import Path

from tests.faults.history.log import Asked, HistoryLog, Line, Sent, read_history
from tests.faults.history.script import Shape, script
from tests.faults.history.steps import Apply, Clock, Command, Grant, Send, Step, Void
from tests.faults.history.wire import UNMEASURABLE, UNREADABLE

STEPS = 15_000


def told(seed: int, count: int) -> list[Step]:
    """The first steps of a script, each of the tenant that it is given with."""
    steps = list(islice(script(seed, Shape()), count))
    assert all(tenant.code == step.tenant for tenant, step in steps)
    return [step for _, step in steps]


def test_a_seed_stands_for_one_script_and_another_for_another() -> None:
    first = told(7, 3_000)
    assert first == told(7, 3_000)
    assert first != told(8, 3_000)


def test_a_script_has_everything_that_a_bench_wants_to_see() -> None:
    steps = told(1, STEPS)
    assert {type(step) for step in steps} == {Apply, Clock, Command, Grant, Send, Void}
    assert {step.name for step in steps if isinstance(step, Command)} == {"pause", "resume", "cancel"}
    assert any(isinstance(step, Apply) and not step.settle for step in steps), "a change of the plan"
    sends = [step for step in steps if isinstance(step, Send)]
    assert {step.plant for step in sends} == {"", *UNREADABLE, *UNMEASURABLE}
    good = [step for step in sends if not step.plant]
    copies = Counter((step.tenant, step.content.source, step.content.id) for step in good)
    contents = {(step.tenant, step.content.source, step.content.id, str(step.content)) for step in good}
    assert {1, 2, 3, 4, 5} <= set(copies.values())
    assert 0 < len(contents) - len(copies) < len(copies) / 20, "other contents under known ids"
    assert any(step.content.properties["n"].startswith("-") for step in good)
    assert {step.form.value for step in good} == {"avro", "json"}
    assert {step.producer for step in good} == {0, 1, 2}


def test_usage_comes_late_and_out_of_order_but_never_too_late() -> None:
    clocks: dict[str, int] = {}
    behind = []
    for step in told(1, STEPS):
        if isinstance(step, Apply | Clock):
            clocks[step.tenant] = int(step.at.timestamp())
        elif isinstance(step, Send) and not step.plant:
            behind.append(clocks[step.tenant] - step.content.at_us // 1_000_000)
    day = 86_400
    assert sum(late > 0 for late in behind) > len(behind) / 50
    assert max(behind) < 40 * day, "what is sent again much later"
    assert min(behind) > -31 * day, "what is ahead of its time"


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    log = HistoryLog(tmp_path / "history.jsonl", 5)
    sent, asked = Sent("t", "00", plant="poison"), Asked("clock", "t", "2026-01-01T00:00:00Z")
    one = log.invoke(sent=sent)
    log.outcome(one, "info", "no answer")
    again = log.invoke(sent=sent, first=one)
    log.acknowledged(again, 3, 17)
    log.outcome(log.invoke(asked=asked), "fail", "refused")
    log.end()
    log.close()
    found = [
        (line.e, line.n, line.first, line.sent, line.asked, line.partition, line.offset, line.why)
        for line in read_history(tmp_path / "history.jsonl")
    ]
    blank = Line("begin")
    assert found == [
        ("begin", 5, 0, None, None, blank.partition, blank.offset, ""),
        ("invoke", 1, 1, sent, None, -1, -1, ""),
        ("info", 1, 0, None, None, -1, -1, "no answer"),
        ("invoke", 2, 1, sent, None, -1, -1, ""),
        ("ok", 2, 0, None, None, 3, 17, ""),
        ("invoke", 3, 3, None, asked, -1, -1, ""),
        ("fail", 3, 0, None, None, -1, -1, "refused"),
        ("end", 0, 0, None, None, -1, -1, ""),
    ]
