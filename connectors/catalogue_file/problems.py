"""What is wrong with a file: collected, so that its writer mends all of it in one go."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

MOST_PROBLEMS: Final = 20  # a screenful; beyond it the cause is usually one and the same


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that has to be mended: where it stands, what is wrong, what is allowed."""

    file: str
    line: int
    field: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.field}: {self.text}"


class BadFile(Exception):
    """The file is refused whole; nothing of it was applied. The text has one line for each problem."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


@dataclass(slots=True)
class Problems:
    """The problems of one file so far, in the order they were met, `MOST_PROBLEMS` at most."""

    file: str
    found: list[Problem] = field(default_factory=list)

    def add(self, line: int, where: str, text: str) -> None:
        """Notes a problem.

        Raises:
            BadFile: it is the last one that fits; reading on would be of no use.
        """
        self.found.append(Problem(self.file, line, where or "the file", text))
        if len(self.found) >= MOST_PROBLEMS:
            raise self.refusal()

    def fatal(self, line: int, text: str) -> BadFile:
        """Returns the refusal, to be raised, of a file in which reading on is impossible."""
        self.add(line, "", text)
        return self.refusal()

    def refusal(self) -> BadFile:
        """Returns the refusal that names every problem so far, by line."""
        return BadFile(sorted(self.found, key=lambda problem: problem.line))
