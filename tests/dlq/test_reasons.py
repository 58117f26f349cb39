"""Every reason that the code gives is told in the documentation, with what to do, and none that it does not give."""

import ast
import re
from pathlib import Path

from streams.redrive.reasons import BY_CODE, FAMILIES, HOPELESS
from tests.support.parsing import parsed

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dead-letters.md"
ROOMS = ("billing", "schemas", "streams/agents")
REASON_AND_DETAIL = 2
SAYING = {"UndecodableRecord", "RefusedUsage", "Refused", "Refusal"}
PARTS = ("tenant", "customer", "id", "type", "source", "subscription", "property-name", "property-value")
ATTRIBUTES = ("specversion", "tenantid", "subject", "id", "source", "type", "time", "subscriptionid", "datacontenttype")
SOURCE_AND_VALUE = {"source-missing", "property-value-missing"}
OPTIONAL = {"missing-subscriptionid", "missing-datacontenttype"}


def reasons_in(source: str) -> set[str]:
    """Every reason in calls that refuse a record, with `{}` for what is put in later."""
    found: set[str] = set()
    tree = parsed(source)
    constants = {
        node.target.id: node.value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        said: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SAYING and node.args:
            said = node.args[0]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "_dead":
            said = node.args[2]
        elif (
            isinstance(node, ast.Yield)
            and isinstance(node.value, ast.Tuple)
            and len(node.value.elts) == REASON_AND_DETAIL
        ):
            said = node.value.elts[0]
        if isinstance(said, ast.Constant):
            found.add(str(said.value))
        elif isinstance(said, ast.JoinedStr):
            found.add("".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in said.values))
        elif isinstance(said, ast.Name) and said.id in constants:
            found.add(str(constants[said.id]))
    return {one for one in found if re.fullmatch(r"[a-z{}]+(?:-[a-z{}]+)*", one)}


def filled(reason: str) -> set[str]:
    if reason.startswith("{}-"):
        return {reason.replace("{}", part) for part in PARTS} - SOURCE_AND_VALUE
    return {reason.replace("{}", attribute) for attribute in ATTRIBUTES} - OPTIONAL


def reasons_of_the_code() -> set[str]:
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    return {reason for path in files for one in reasons_in(path.read_text()) for reason in filled(one)}


def table() -> str:
    """The reasons as the page shows them."""
    rows = ["| reason | what it means | what to do | goes back |", "|---|---|---|---|"]
    for family in FAMILIES:
        codes = " ".join(f"`{code}`" for code in family.codes)
        rows.append(f"| {codes} | {family.meaning} | {family.remedy} | {family.cure.value} |")
    return "\n".join(rows) + "\n"


def test_every_reason_that_the_code_gives_has_a_remedy_and_no_other_has() -> None:
    assert reasons_of_the_code() == set(BY_CODE)


def test_a_reason_stands_in_one_family() -> None:
    assert sum(len(family.codes) for family in FAMILIES) == len(BY_CODE)


def test_the_page_tells_them_all() -> None:
    assert table() in PAGE.read_text(), f"put this into {PAGE.name}:\n{table()}"


def test_a_selection_leaves_out_what_its_account_is_known_to_refuse_again() -> None:
    refused = {code for family in FAMILIES if "is refused" in family.remedy for code in family.codes}
    assert refused == {"too-old", "final-billed"}
    assert refused <= set(HOPELESS)


def test_a_reason_nobody_documented_is_seen() -> None:
    planted = (
        'X: Final = "by-name"\ndef f(): raise RefusedUsage("planted", "x")\nRefusal(X, "y")\nyield_ = Refused("z")'
    )
    assert reasons_in(planted) == {"planted", "by-name", "z"}
    assert reasons_in('def g(field):\n    yield f"{field}-planted", "detail"') == {"{}-planted"}
