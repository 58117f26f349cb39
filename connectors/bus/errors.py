"""What goes wrong with a bus.

BusError             some events are in doubt: end, start again, publish them again
├── BusUnreachable   nobody answers
├── EventRefused     the bus will never take this event
└── BusFailed        the bus did not confirm
"""


class BusError(Exception):
    """Events are not on the bus, or not known to be; the text says why and what to do."""


class BusUnreachable(BusError):
    """Nobody answers at the address."""


class EventRefused(BusError):
    """The bus cannot take this event: its topic is missing or has other partitions, or it is too large."""


class BusFailed(BusError):
    """The bus did not confirm in time, or confirmed a failure."""
