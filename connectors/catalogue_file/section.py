"""Reads the fields of one mapping by name and type, noting every problem and going on.

A reader returns a stand-in (an empty text, the epoch) where it noted a problem: the file is refused in the end, so
no stand-in is ever used, and the rest of the file is still checked.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

from billing.errors import InvalidDefinition, RefusedUsage
from billing.instant import EPOCH, parse_instant
from billing.quantity import parse_quantity
from connectors.catalogue_file.document import Mapping, Node, Scalar, Sequence
from connectors.catalogue_file.problems import Problems

LONGEST_CODE: Final = 64
LONGEST_NAME: Final = 200
LAST_YEAR: Final = 2999

_INTEGER: Final = re.compile(r"[0-9]{1,9}")
_MARKS: Final = frozenset("._-:@+")
Choice = TypeVar("Choice", bound=StrEnum)
Item = TypeVar("Item")


def is_code(text: str) -> bool:
    """Tells whether `text` may name something: 1 to 64 letters and digits of any script, and `. _ - : @ +`.

    The first is a letter or digit. Never `/`, because account keys are `tenant/customer`. Composed Unicode (NFC) only,
    so that what looks the same is the same.
    """
    return (
        0 < len(text) <= LONGEST_CODE
        and text[0] not in _MARKS
        and unicodedata.is_normalized("NFC", text)
        and all(letter in _MARKS or unicodedata.category(letter)[0] in "LMN" for letter in text)
    )


@dataclass(slots=True)
class Section:
    """The fields of the mapping at `path`; those that nobody asked for are unknown, see `close`."""

    mapping: Mapping
    path: str
    problems: Problems
    asked: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, node: Node, path: str, problems: Problems) -> "Section":
        """Returns the section of `node`, which has to be a mapping; else the problem is noted and there are none."""
        if isinstance(node, Mapping):
            return cls(node, path, problems)
        problems.add(node.line, path, f"is {_kind(node)}; a mapping of fields is expected")
        return cls(Mapping({}, {}, node.line, 1, 1), "", Problems(problems.file))

    def at(self, name: str) -> str:
        """Returns the path of a field, such as `tenants[0].currency`."""
        return f"{self.path}.{name}" if self.path else name

    def line(self, name: str) -> int:
        """Returns the line of a field, or of its mapping where it is missing."""
        return self.mapping.lines.get(name, self.mapping.line)

    def wrong(self, name: str, problem: str) -> None:
        """Notes a problem with the field."""
        self.problems.add(self.line(name), self.at(name), problem)

    def has_problem(self, path: str) -> bool:
        """Tells whether something was noted at this path already."""
        return any(problem.field == path for problem in self.problems.found)

    def node(self, name: str, *, required: bool = True) -> Node | None:
        """Returns what the field holds, or None; a required field that is missing or empty is a problem."""
        self.asked.add(name)
        found = self.mapping.fields.get(name)
        if found is None:
            if required:
                self.wrong(name, "is missing; it is required")
        elif isinstance(found, Scalar) and found.absent:
            self.wrong(name, "has no value; write one, or leave the field out where it is optional")
            return None
        return found

    def optional_text(self, name: str, *, required: bool = False) -> str | None:
        """Returns the scalar's text, or None where there is none."""
        found = self.node(name, required=required)
        if found is None or isinstance(found, Scalar):
            return found.text if found else None
        self.wrong(name, f"is {_kind(found)}; a text is expected")
        return None

    def text(self, name: str, check: Callable[[str], object]) -> str:
        """Returns the required text, which `check` takes without raising `InvalidDefinition`."""
        found = self.optional_text(name, required=True)
        return "" if found is None else self.checked(name, found, check)

    def checked(self, name: str, text: str, check: Callable[[str], object]) -> str:
        """Returns the text that `check` takes; its refusal is noted under the field's name."""
        try:
            check(text)
        except InvalidDefinition as refusal:
            self.wrong(name, refusal.problem)
            return ""
        return text

    def code(self, name: str = "code") -> str:
        """Returns the required code, see `is_code`."""
        return self.text(name, check_code)

    def name(self, name: str, default: str) -> str:
        """Returns a name for people: 1 to 200 printable characters."""
        found = self.optional_text(name)
        return default if found is None else self.checked(name, found, _check_name)

    def percent(self, name: str) -> str:
        """Returns a decimal from 0 to 100, as written; '0' where it is missing."""
        found = self.optional_text(name)
        return "0" if found is None else self.checked(name, found, _check_percent)

    def instant(self, name: str, *, required: bool = False) -> datetime | None:
        """Returns the moment in UTC, or None where it is missing."""
        found = self.optional_text(name, required=required)
        if found is None or not self.checked(name, found, _check_instant):
            return EPOCH if required else None
        return parse_instant(found)

    def count(self, name: str, most: int) -> int | None:
        """Returns a whole number from 1 to `most`, or None where it is missing."""
        found = self.optional_text(name)
        if found is None:
            return None
        if _INTEGER.fullmatch(found) and 1 <= int(found) <= most:
            return int(found)
        self.wrong(name, f"is {found[:60]!r}; a whole number from 1 to {most} is expected")
        return None

    def choice(self, name: str, default: Choice) -> Choice:
        """Returns the member of the default's enum that the text names."""
        found = self.optional_text(name)
        options = type(default)
        if found is None or found in list(options):
            return default if found is None else options(found)
        self.wrong(name, f"is {found[:60]!r}; one of {', '.join(options)} is expected")
        return default

    def items(self, name: str, *, required: bool = False) -> Iterator[tuple[Node, str]]:
        """Yields each item of a list with its path, such as `tenants[0].plans[1]`."""
        found = self.node(name, required=required)
        if isinstance(found, Sequence):
            if required and not found.items:
                self.wrong(name, "is an empty list; at least one is expected")
            for position, item in enumerate(found.items):
                yield item, f"{self.at(name)}[{position}]"
        elif found is not None:
            self.wrong(name, f"is {_kind(found)}; a list is expected")

    def texts(self, name: str) -> list[str]:
        """Returns the texts of a list; what is none of them is a problem, and a field that is missing has none."""
        found = []
        for item, path in self.items(name):
            if isinstance(item, Scalar) and not item.absent:
                found.append(item.text)
            else:
                self.problems.add(item.line, path, f"is {_kind(item)}; a text is expected")
        return found

    def close(self) -> None:
        """Notes every field that nobody asked for."""
        for name in self.mapping.fields:
            if name not in self.asked:
                allowed = ", ".join(sorted(self.asked))
                self.problems.add(self.line(name), self.at(name[:60]), f"is no field here; allowed are {allowed}")


def distinct(
    section: Section,
    name: str,
    read: Callable[[Section], Item],
    code: Callable[[Item], str],
    *,
    required: bool = False,
) -> dict[str, Item]:
    """Returns the items of a list by their codes; a code that stands twice is a problem."""
    found: dict[str, Item] = {}
    lines: dict[str, int] = {}
    for node, path in section.items(name, required=required):
        inner = Section.of(node, path, section.problems)
        item = read(inner)
        inner.close()
        if code(item) in found:
            inner.wrong("code", f"{code(item)!r} stands twice, first in line {lines[code(item)]}; codes are unique")
        elif code(item):
            found[code(item)], lines[code(item)] = item, inner.line("code")
    return found


def reference(section: Section, name: str, code: str, known: Iterable[str]) -> str:
    """Returns the code if it is known; else that is a problem, and '' stands in."""
    if code in known:
        return code
    listed = ", ".join(sorted(known)[:10]) or "none"
    section.wrong(name, f"{code[:80]!r} is no {name.removesuffix('s')} of this tenant in this file; there are {listed}")
    return ""


def _kind(node: Node) -> str:
    match node:
        case Scalar():
            return "a text"
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"


def check_code(text: str, where: str = "") -> None:
    """Refuses what is no code; `where` is the path of the field.

    Raises:
        InvalidDefinition: see `is_code`.
    """
    if not is_code(text):
        raise InvalidDefinition(
            where,
            f"{text[:80]!r} is no code; 1 to {LONGEST_CODE} letters, digits and . _ - : @ +, a letter or digit first",
        )


def _check_instant(text: str) -> None:
    try:
        moment = parse_instant(text)
    except ValueError:
        moment = None
    if moment is None or not EPOCH.year <= moment.year <= LAST_YEAR:
        raise InvalidDefinition(
            "", f"{text[:60]!r} is no instant; RFC 3339 with an offset such as '2026-01-31T00:00:00Z', 1970 to 2999"
        )


def _check_name(text: str) -> None:
    if not text.strip() or len(text) > LONGEST_NAME or not text.isprintable():
        raise InvalidDefinition("", f"{text[:80]!r} is no name; 1 to {LONGEST_NAME} printable characters are expected")


def _check_percent(text: str) -> None:
    try:
        value = parse_quantity(text)
    except RefusedUsage as refusal:
        raise InvalidDefinition("", str(refusal)) from None
    if not 0 <= value <= 100:  # noqa: PLR2004 - a percentage
        raise InvalidDefinition("", f"is {text}; a percentage from 0 to 100 is expected")
