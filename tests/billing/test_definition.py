"""Reading a definition: what is allowed at the very bounds, and what a refusal says."""

from collections.abc import Callable
from decimal import Decimal
from enum import StrEnum

import pytest

from billing.definition import Fields, decimal, name
from billing.errors import InvalidDefinition


class Colour(StrEnum):
    """Two words."""

    RED = "red"
    BLUE = "blue"


def fields(**raw: object) -> Fields:
    return Fields(raw, "prices[2]")


def refusal_of(read: Callable[[], object]) -> str:
    with pytest.raises(InvalidDefinition) as refused:
        read()
    return str(refused.value)


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("", "an empty string"),
        ("\n", r"'\n'"),
        ("\n" + "x" * 40, repr("\n" + "x" * 39)),
        (7, "7"),
        (-1.5, "-1.5"),
        (None, "None"),
        (True, "True"),
        (10**30 - 1, str(10**30 - 1)),
        (10**30, "a number of too many digits"),
        (-(10**30), "a number of too many digits"),
        ([], "a list of 0"),
        ((1, 2), "a tuple of 2"),
        ({"a": 1}, "a dict"),
    ],
)
def test_what_is_no_name_is_named_by_its_kind_cut_short(raw: object, kind: str) -> None:
    allowed = "a string of 1 to 200 printable characters is allowed"
    assert refusal_of(lambda: name(raw, "code")) == f"code: is {kind}; {allowed}"


def test_a_name_has_at_most_two_hundred_characters() -> None:
    assert fields(code="x" * 200).text("code") == "x" * 200
    assert refusal_of(lambda: fields(code="x" * 201).text("code")).startswith(f"prices[2].code: is '{'x' * 40}'; ")


def test_an_optional_name_may_be_absent() -> None:
    assert (fields(code="a").optional_text("code"), fields().optional_text("code")) == ("a", None)
    assert refusal_of(lambda: fields(code="").optional_text("code")).startswith("prices[2].code: is an empty string; ")


def test_a_decimal_is_a_string_or_an_integer_of_at_most_thirty_digits() -> None:
    assert decimal(10**30 - 1, "amount") == Decimal(10**30 - 1)
    assert decimal(-(10**30) + 1, "amount") == Decimal(-(10**30) + 1)
    assert decimal("1.50", "amount") == Decimal("1.50")
    for raw in (10**30, -(10**30), True, 1.5):
        assert refusal_of(lambda raw=raw: decimal(raw, "amount")).endswith(  # type: ignore[misc]
            "; a decimal string such as '0.05' or an integer is allowed"
        )
    assert refusal_of(lambda: decimal("1_0", "amount")) == "amount: '1_0' is no decimal number such as '12.5'"


def test_a_refused_decimal_says_its_bounds() -> None:
    given = fields(low="-1", high="100.1", none="0.0")
    assert refusal_of(lambda: given.decimal("low")) == "prices[2].low: is -1; a decimal at least 0 is allowed"
    assert refusal_of(lambda: given.decimal("none", above=True)) == "prices[2].none: is 0; a decimal above 0 is allowed"
    assert refusal_of(lambda: given.decimal("high", most=100)) == (
        "prices[2].high: is 100.1; a decimal at least 0, at most 100 is allowed"
    )


def test_a_decimal_may_be_its_very_bound() -> None:
    given = fields(low="0", high="100")
    assert (given.decimal("low"), given.decimal("high", most=100)) == (Decimal(0), Decimal(100))
    assert given.decimal("high", least=100, most=100) == Decimal(100)
    assert given.optional_decimal("high", most=100) == given.decimal_or("high", Decimal(1), most=100) == Decimal(100)
    assert (given.optional_decimal("absent"), given.decimal_or("absent", Decimal(7))) == (None, Decimal(7))


def test_a_count_is_whole() -> None:
    given = fields(whole="3.0", part="3.5")
    assert (given.optional_count("whole", most=3), given.optional_count("absent", most=3)) == (3, None)
    assert refusal_of(lambda: given.optional_count("part", most=9)) == (
        "prices[2].part: is 3.5; a whole number is allowed"
    )
    assert refusal_of(lambda: given.optional_count("whole", most=2)).endswith("at most 2 is allowed")


def test_a_word_is_one_of_an_enumeration() -> None:
    given = fields(colour="red", wrong="Red", kind=["red"], number=7)
    assert given.word("colour", Colour) is Colour.RED
    assert given.word("colour", Colour, Colour.BLUE) is Colour.RED
    assert given.word("absent", Colour, Colour.BLUE) is Colour.BLUE
    for field, shown in [("wrong", "'Red'"), ("kind", "a list of 1"), ("number", "7")]:
        assert refusal_of(lambda field=field: given.word(field, Colour)) == (  # type: ignore[misc]
            f"prices[2].{field}: is {shown}; allowed are red, blue"
        )


def test_a_flag_is_true_or_false() -> None:
    given = fields(yes=True, no=False, word="yes")
    assert [given.flag(field, default=True) for field in ("yes", "no", "absent")] == [True, False, True]
    assert given.flag("absent", default=False) is False
    assert refusal_of(lambda: given.flag("word", default=True)) == (
        "prices[2].word: is 'yes'; true or false is allowed"
    )


def test_a_list_has_one_to_a_thousand_elements_each_with_its_path() -> None:
    given = fields(one=["a"], two=("a", "b"), most=["a"] * 1_000, none=[], more=["a"] * 1_001, text="ab")
    assert given.items("two") == [("a", "prices[2].two[0]"), ("b", "prices[2].two[1]")]
    assert [len(given.items(field)) for field in ("one", "most")] == [1, 1_000]
    for field, shown in [("none", "a list of 0"), ("more", "a list of 1001"), ("text", "'ab'")]:
        assert refusal_of(lambda field=field: given.items(field)) == (  # type: ignore[misc]
            f"prices[2].{field}: is {shown}; a list of 1 to 1000 elements is allowed"
        )


def test_names_are_distinct_and_optional_ones_may_be_absent_or_none() -> None:
    given = fields(some=["a", "b"], none=[], nothing=(), twice=["a", "a"])
    assert [given.optional_names(field) for field in ("some", "none", "nothing", "absent")] == [("a", "b"), (), (), ()]
    assert refusal_of(lambda: given.optional_names("twice")) == (
        "prices[2].twice: names something twice; each once is allowed"
    )


def test_a_mapping_of_free_names_has_at_most_a_thousand() -> None:
    assert Fields({str(number): 1 for number in range(1_000)}, "filters").fields()[-1] == "999"
    assert refusal_of(Fields({str(number): 1 for number in range(1_001)}, "filters").fields) == (
        "filters: has 1001 fields; at most 1000 are allowed"
    )
    assert refusal_of(Fields({7: 1}, "filters").fields).startswith("filters.7: is 7; ")
    assert refusal_of(Fields({"\n": 1}, "").fields).startswith("'\\n': is '\\n'; ")


def test_what_nobody_read_is_refused_and_what_could_be_read_is_listed() -> None:
    given = fields(code="a", colour="red", size=1)
    assert (given.text("code"), given.flag("taxable", default=True), given.has("size")) == ("a", True, True)
    assert refusal_of(lambda: given.close("a fee")) == (
        "prices[2].colour: a fee has no such field; allowed are code, taxable"
    )
    read = fields(code="a")
    read.text("code")
    read.close("a fee")


@pytest.mark.parametrize(("field", "shown"), [(7, "7"), ("x" * 201, "x" * 200), ("\n", "'\\n'"), (None, "None")])
def test_an_unknown_field_is_shown_whatever_it_is(field: object, shown: str) -> None:
    assert refusal_of(lambda: Fields({field: 1}, "").close("a fee")).startswith(f"{shown}: a fee has no such field; ")


def test_a_missing_field_is_named_and_still_known() -> None:
    given = fields()
    assert refusal_of(lambda: given.value("amount")) == "prices[2].amount: is missing"
    assert not given.has("amount")


@pytest.mark.parametrize(("where", "field"), [("meters[0]", "meters[0]"), ("", "definition")])
def test_what_is_no_mapping_is_refused_where_it_stands(where: str, field: str) -> None:
    assert refusal_of(lambda: Fields([1], where)) == f"{field}: is a list of 1; a mapping of fields is allowed"


def test_fields_inside_a_field_have_its_path() -> None:
    given = fields(tier={"up_to": "1"})
    assert given.inner("tier").path("up_to") == "prices[2].tier.up_to"
    inner = given.optional_inner("tier")
    assert inner is not None
    assert inner.decimal("up_to") == Decimal(1)
    assert given.optional_inner("absent") is None
