"""The page about apply files can't rot: its example is a file, and its mistakes are told as it shows."""

import re
from pathlib import Path

import pytest

from connectors.catalogue_file import BadFile, parse_catalogue

PAGE = (Path(__file__).parents[2] / "docs" / "apply.md").read_text(encoding="utf-8")
BLOCKS = re.compile(r"^```(?:yaml)?\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_the_example_is_a_file() -> None:
    example, _ = BLOCKS.findall(PAGE)
    (tenant,) = parse_catalogue(example.encode(), "catalog.yaml").tenants
    assert [coupon.code for coupon in tenant.coupons] == ["WELCOME", "SETUP-FREE"]
    assert [subscription.coupons for subscription in tenant.subscriptions] == [("WELCOME",)]


def test_a_mistake_is_told_as_the_page_shows() -> None:
    example, shown = BLOCKS.findall(PAGE)
    mistaken = example.replace("P1Y", "P10D").replace("amount_off: '99.00', ", "")
    with pytest.raises(BadFile) as refusal:
        parse_catalogue(mistaken.encode(), "catalog.yaml")
    assert str(refusal.value) == shown.strip()
