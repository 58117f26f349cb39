"""Documents that can't rot: what they name exists, what they show runs."""

import re
from pathlib import Path

import pytest

from streams.settings import Settings
from tests.support.parsing import parsed

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
NAMED_TEST = re.compile(r"`([a-z_]+/test_[a-z_]+\.py)::([A-Za-z_0-9]+)`")
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def missing_tests(text: str) -> list[str]:
    """Tests that a page names and nobody wrote."""
    missing = []
    for file, name in NAMED_TEST.findall(text):
        path = ROOT / "tests" / file
        if not path.exists() or f"def {name}(" not in path.read_text():
            missing.append(f"{file}::{name}")
    return missing


def test_every_test_that_a_promise_names_exists() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text()
    assert len(NAMED_TEST.findall(text)) >= 20
    assert missing_tests(text) == []


def test_a_promise_without_its_test_is_seen() -> None:
    assert missing_tests("held by `docs/test_docs.py::test_that_nobody_wrote`") == [
        "docs/test_docs.py::test_that_nobody_wrote"
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file(page: Path) -> None:
    broken = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


def test_every_setting_that_a_page_names_exists() -> None:
    known = {f"BEAAS_{name.upper()}" for name in Settings.model_fields} | {
        "BEAAS_CACHE_DIR",
        "BEAAS_LONG_TESTS",
        "BEAAS_SIM_SEED",
        "BEAAS_SIM_SEEDS",
        "BEAAS_SIM_TURN",
    }
    for page in PAGES:
        named = set(re.findall(r"\bBEAAS_[A-Z_]+\b", page.read_text()))
        assert named <= known, page


def test_the_readmes_python_is_python() -> None:
    snippets = PYTHON.findall((ROOT / "README.md").read_text())
    assert len(snippets) == 2
    for snippet in snippets:
        parsed(snippet)
