"""Every error says what is wrong, and what becomes of its message."""

import pytest

from billing.errors import BillingError, Defect, Disposition, IllegalTransition, InvalidDefinition, RefusedUsage


@pytest.mark.parametrize(
    ("error", "text", "disposition"),
    [
        (InvalidDefinition("tiers[0].up_to", "is missing"), "tiers[0].up_to: is missing", Disposition.REJECT),
        (RefusedUsage("not-a-decimal", "'x' is none"), "not-a-decimal: 'x' is none", Disposition.DEAD_LETTER),
        (RefusedUsage("not-a-decimal"), "not-a-decimal", Disposition.DEAD_LETTER),
        (IllegalTransition("no"), "no", Disposition.REJECT),
        (Defect("no"), "no", Disposition.CRASH),
    ],
)
def test_an_error_has_its_text_and_its_disposition(error: BillingError, text: str, disposition: Disposition) -> None:
    assert (str(error), error.disposition) == (text, disposition)


def test_the_parts_of_an_error_can_be_read() -> None:
    invalid, refused = InvalidDefinition("code", "is missing"), RefusedUsage("out-of-range", "too long")
    assert (invalid.field, invalid.problem) == ("code", "is missing")
    assert (refused.reason, refused.detail, RefusedUsage("out-of-range").detail) == ("out-of-range", "too long", "")


def test_the_dispositions_have_the_words_that_operators_see() -> None:
    assert [one.value for one in Disposition] == ["dead-letter", "reject", "crash"]
