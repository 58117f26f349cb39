"""Every scenario through the running pipeline, by the command that an outsider runs."""

import asyncio
from pathlib import Path

import pytest

from streams.conformance import Scenario, read_file
from tests.support.pipeline import Pipeline

CASES = Path(__file__).parents[1] / "conformance"
NORM = CASES / "norm"
STORIES = [path for path in sorted(CASES.glob("*/*.yaml")) if isinstance(read_file(path)[0], Scenario)]

STORY = """
kind: scenario
cases:
- name: one
  tenant: {currency: USD, tax_percent: '10'}
  catalog:
    plans: [{code: p, billing_period: P1M, prices: [{code: base, type: recurring, amount: '9.00'}]}]
  timeline:
  - {at: '2026-01-01T00:00:00Z', subscribe: {subscription: s1, customer: c1, plan: p}}
  - {at: '2026-02-02T00:00:00Z'}
  expect:
    invoices:
    - {total: '9.90', issued_at: '2026-01-01T00:00:00Z'}
    - {total: '9.90', issued_at: '2026-02-01T01:00:00+01:00', lines: [{price: base, amount: '9', group: {}}]}
"""


@pytest.fixture
def story(tmp_path: Path) -> Path:
    path = tmp_path / "story.yaml"
    path.write_text(STORY)
    return path


async def test_every_scenario_comes_out_of_the_pipeline_as_expected(pipeline: Pipeline) -> None:
    count = sum(len(read_file(path)) for path in STORIES)
    ran = await pipeline.beaas("conformance", "--pipeline", *STORIES, within_s=270)
    told = ran.out.splitlines()
    assert [line for line in told[:-1] if not line.startswith("ok ")] == []
    assert (len(told) - 1, told[-1], ran.status) == (count, f"{count} passed, 0 failed", 0), ran.err
    assert count >= 50


PLANTED = (
    ("'9.90', issued_at: '2026-02", "'9.91', issued_at: '2026-02", "invoices[1].total: expected 9.91, got 9.90"),
    ("T01:00:00+01:00", "T01:00:00Z", "invoices[1].issued_at: expected 2026-02-01T01:00:00+00:00, got "),
    ("group: {}", "group: {a: b}", "invoices[1].lines[0].group: expected {'a': 'b'}, got {}"),
    ("  expect:\n", "  expect:\n    credit: {c1: '1'}\n", "credit.c1: expected 1, got 0"),
    ("plan: p}", "plan: q}", "refused: tenant conformance-"),
    ("amount: '9.00'", "amount: '9.00', colour: red", "colour: a recurring price has no such field"),
)


async def test_a_planted_difference_fails_its_case_and_no_other(pipeline: Pipeline, story: Path) -> None:
    others = [story.with_name(f"planted-{number}.yaml") for number in range(len(PLANTED))]
    for other, (right, wrong, _) in zip(others, PLANTED, strict=True):
        assert right in STORY
        other.write_text(STORY.replace(right, wrong, 1))
    ran = await pipeline.beaas("conformance", "--pipeline", *others, story)
    *failed, (passed, sums) = batched_by_two(ran.out.splitlines())
    for other, (case, difference), (_, _, told) in zip(others, failed, PLANTED, strict=True):
        assert case == f"FAILED {other.name}: one"
        assert told in difference
    assert (ran.status, passed, sums) == (1, "ok     story.yaml: one", f"1 passed, {len(PLANTED)} failed")


def batched_by_two(lines: list[str]) -> list[tuple[str, str]]:
    return list(zip(lines[::2], lines[1::2], strict=True))


async def test_a_story_that_stands_still_fails_and_says_what_it_waited_for(pipeline: Pipeline, story: Path) -> None:
    with pipeline.paused("rating"):
        ran = await pipeline.beaas("conformance", "--pipeline", "--timeout", "1", story)
    assert ran.status == 1
    assert "waited 1 s for every command to be invoiced; are all roles running?" in ran.out
    assert ran.out.endswith("0 passed, 1 failed\n")


async def test_cases_that_are_no_story_run_in_process(pipeline: Pipeline, story: Path) -> None:
    periods = NORM / "periods.yaml"
    ran = await pipeline.beaas("conformance", "--pipeline", periods, story)
    assert ran.out.endswith(f"ok     story.yaml: one\n{len(read_file(periods)) + 1} passed, 0 failed\n")
    assert ran.status == 0


async def test_a_file_that_is_not_in_the_format_is_wrong_use_and_nothing_runs(pipeline: Pipeline, story: Path) -> None:
    other = story.with_name("other.yaml")
    other.write_text(STORY.replace("customer: c1,", ""))
    ran = await pipeline.beaas("conformance", "--pipeline", story, other)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith(f"beaas: {other}: case 1 (one): Object missing required field `customer`")


async def test_a_server_that_is_not_there_is_said_in_one_line(pipeline: Pipeline, story: Path) -> None:
    unreachable = {
        "BEAAS_POSTGRES_URL": "postgresql://nobody:secret@127.0.0.1:9/none",
        "BEAAS_SCHEMA_REGISTRY_URL": "http://127.0.0.1:9",
        "BEAAS_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9",
    }
    arguments = ("conformance", "--pipeline", story)
    commands = [pipeline.beaas(*arguments, within_s=200, **{name: at}) for name, at in unreachable.items()]
    for ran in await asyncio.gather(*commands):
        assert (ran.status, ran.out) == (3, "")
        assert len(ran.err.splitlines()) == 1
        assert ran.err.startswith("beaas: ")
        assert "secret" not in ran.err
