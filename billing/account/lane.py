"""The short way that nearly every event takes: into the open window of the account's only subscription."""

from typing import TYPE_CHECKING

from billing.account.timeline import Timeline
from billing.account.window import Route, Window

if TYPE_CHECKING:
    from billing.account.cell import Cell


class Lane:
    """Where usage of one type is counted that occurs from `start_us` up to `end_us`.

    Good until the next command, and until cells are forgotten.
    """

    __slots__ = ("cell", "end_us", "only", "start_us", "timeline", "window")

    def __init__(self, timeline: Timeline, window: Window, routes: list[Route]) -> None:
        self.start_us, self.end_us = window.start_us, window.end_us
        self.timeline, self.window = timeline, window
        self.only = routes[0] if len(routes) == 1 and not routes[0].grows else None
        """The one meter that reads it, where there is one that keeps no values or groups."""
        self.cell: Cell | None = None
        """Its cell, once it was asked for: six objects stand on the way to it, each a miss of the processor's cache
        where accounts are many."""
