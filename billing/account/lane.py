"""The short way that nearly every event takes: into the open window of the account's only subscription."""

from billing.account.timeline import Timeline
from billing.account.window import Route, Window


class Lane:
    """Where usage of one type is counted that occurs from `start_us` up to `end_us`; good until the next command."""

    __slots__ = ("end_us", "only", "start_us", "timeline", "window")

    def __init__(self, timeline: Timeline, window: Window, routes: list[Route]) -> None:
        self.start_us, self.end_us = window.start_us, window.end_us
        self.timeline, self.window = timeline, window
        self.only = routes[0] if len(routes) == 1 and not routes[0].grows else None
        """The one meter that reads it, where there is one that keeps no values or groups."""
