"""The pricing page: each of its examples comes out, and no section or model is without one."""

import re
from pathlib import Path

import pytest

from billing.meter import Aggregation
from billing.pricing import Model
from streams.conformance import run_files

PAGE = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text()
EXAMPLE = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
EXAMPLES = EXAMPLE.findall(PAGE)


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_of_the_page_comes_out_as_it_says(example: str, tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text(example)
    results = run_files([tmp_path / "page.yaml"])
    assert results.failed == 0, str(results)
    assert results.passed


def test_a_wrong_amount_on_the_page_would_be_seen(tmp_path: Path) -> None:
    (tmp_path / "page.yaml").write_text(EXAMPLES[1].replace("2.59", "2.60"))
    assert run_files([tmp_path / "page.yaml"]).failed == 1


def test_every_section_of_the_page_has_an_example() -> None:
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    assert len(sections) >= 10
    assert [section.splitlines()[0] for section in sections if not EXAMPLE.search(section)] == []


@pytest.mark.parametrize("model", Model)
def test_every_model_has_its_formula_and_an_example(model: Model) -> None:
    assert f"| `{model}` |" in PAGE
    assert any(f"model: {model}," in example for example in EXAMPLES)


@pytest.mark.parametrize("aggregation", Aggregation)
def test_every_aggregation_has_its_formula(aggregation: Aggregation) -> None:
    assert re.search(rf"^\| .*`{aggregation}`.* \|", PAGE, re.MULTILINE)
