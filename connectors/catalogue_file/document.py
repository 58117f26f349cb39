"""YAML text as a tree in which every scalar keeps its written text and every node its line.

Built from the parser's events, not by a YAML loader: a loader turns `1.10` into a float, `NO` into False and a date
into an instant, and keeps the last of two equal keys. Aliases are allowed (tenants share meters), and what they
expand to is counted, so a few lines can't become a billion nodes.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import yaml

from connectors.catalogue_file.problems import Problems

LARGEST_SIZE_BYTES: Final = 16 * 1024 * 1024  # some 100,000 subscriptions
MOST_NODES: Final = 2_000_000  # what such a file has; aliases count as what they stand for
DEEPEST: Final = 24  # a filter value stands at depth 8

_LOADER: Final = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # the C parser where libyaml is built in: ten times faster


@dataclass(frozen=True, slots=True)
class Scalar:
    """A value, as written. `plain` is false where it stood in quotes or a block."""

    text: str
    line: int
    plain: bool = True
    nodes: int = 1
    height: int = 1

    @property
    def absent(self) -> bool:
        """Whether nothing was written: `name:` and the end of the line."""
        return self.plain and not self.text


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple["Node", ...]
    line: int
    nodes: int
    height: int


@dataclass(frozen=True, slots=True)
class Mapping:
    """Fields by name, in the order written; `lines` has the line of each name."""

    fields: dict[str, "Node"]
    lines: dict[str, int]
    line: int
    nodes: int
    height: int


class _Mark(Protocol):
    """A place in the text; the C parser and the Python one have each their own class."""

    @property
    def line(self) -> int: ...


Node: TypeAlias = Scalar | Sequence | Mapping


def parse_document(text: str, problems: Problems) -> Node:
    """Returns the one document of a YAML text.

    Raises:
        BadFile: no YAML, not exactly one document, a repeated key, a tag, or beyond the limits above.
    """
    try:
        return _Builder(problems).document(yaml.parse(text, Loader=_LOADER))
    except yaml.MarkedYAMLError as error:
        line = _line(error.problem_mark or error.context_mark)
        raise problems.fatal(line, f"is no YAML: {error.problem or error.context}") from None
    except yaml.YAMLError as error:  # characters that YAML does not allow; the text names them
        raise problems.fatal(1, f"is no YAML: {str(error).splitlines()[0]}") from None


def _line(mark: _Mark | None) -> int:
    return mark.line + 1 if mark else 1


def _size(inner: Collection[Node]) -> tuple[int, int]:
    """Returns how many nodes (names not counted) and how many levels a node with these inner nodes has."""
    return 1 + sum(node.nodes for node in inner), 1 + max((node.height for node in inner), default=0)


@dataclass(slots=True)
class _Builder:
    problems: Problems
    anchors: dict[str, Node] = field(default_factory=dict)
    nodes: int = 0

    def document(self, events: Iterator[yaml.Event]) -> Node:
        root: Node | None = None
        for event in events:
            match event:
                case yaml.StreamStartEvent() | yaml.StreamEndEvent() | yaml.DocumentEndEvent():
                    continue
                case yaml.DocumentStartEvent():
                    if root is not None:
                        raise self.refused(event, "has a second document; one is allowed")
                case _:
                    root = self.node(event, events, 1)
        if root is None:
            raise self.problems.fatal(1, "is empty; a mapping with 'tenants' is expected")
        return root

    def node(self, event: yaml.Event, events: Iterator[yaml.Event], depth: int) -> Node:
        line = _line(event.start_mark)
        if depth > DEEPEST:
            raise self.refused(event, f"is nested deeper than {DEEPEST} levels")
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, depth)
        assert isinstance(event, yaml.ScalarEvent | yaml.SequenceStartEvent | yaml.MappingStartEvent)
        if event.tag is not None and event.tag != "!":
            raise self.refused(event, f"has the tag {event.tag[:60]!r}; tags are not allowed")
        self.count(event, 1)
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = Scalar(event.value, line, event.implicit[0])  # of plain scalars, the style differs by parser
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(line, events, depth)
        else:
            node = self.mapping(line, events, depth)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def alias(self, event: yaml.AliasEvent, depth: int) -> Node:
        anchor = str(event.anchor)
        known = self.anchors.get(anchor)
        if known is None:
            raise self.refused(event, f"refers to *{anchor[:60]}, which is not complete before this line")
        if depth + known.height > DEEPEST:
            raise self.refused(event, f"is nested deeper than {DEEPEST} levels with what *{anchor[:60]} stands for")
        self.count(event, known.nodes)
        return known

    def sequence(self, line: int, events: Iterator[yaml.Event], depth: int) -> Sequence:
        items: list[Node] = []
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self.node(event, events, depth + 1))
        return Sequence(tuple(items), line, *_size(items))

    def mapping(self, line: int, events: Iterator[yaml.Event], depth: int) -> Mapping:
        fields: dict[str, Node] = {}
        lines: dict[str, int] = {}
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            key = self.node(event, events, depth + 1)
            if not isinstance(key, Scalar):
                raise self.refused(event, "has a list or a mapping as a field's name; a text is expected")
            if key.text in fields:
                problem = f"stands twice, first in line {lines[key.text]}; remove one"
                self.problems.add(key.line, key.text[:60], problem)
            lines[key.text] = _line(event.start_mark)
            fields[key.text] = self.node(next(events), events, depth + 1)
        return Mapping(fields, lines, line, *_size(fields.values()))

    def count(self, event: yaml.Event, nodes: int) -> None:
        self.nodes += nodes
        if self.nodes > MOST_NODES:
            raise self.refused(event, f"has more than {MOST_NODES} values, aliases counted as what they stand for")

    def refused(self, event: yaml.Event, text: str) -> Exception:
        return self.problems.fatal(_line(event.start_mark), text)
