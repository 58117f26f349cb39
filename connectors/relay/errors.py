"""What goes wrong with the relay; it never goes on after one of these but the first two.

RelayError
├── SlotBusy        another relay reads the shard: this one stands by
├── SlotLost        the slot is gone or invalidated: it is rebuilt from the table
├── StreamEnded     PostgreSQL ended the stream or fell silent: end, and be started again
├── UnknownLayout   the table or the protocol is not what this relay was written for
├── WrongSetup      a publication, a name or a role is not as the relay needs it
└── Unreachable     PostgreSQL does not answer
"""


class RelayError(Exception):
    """The relay cannot go on; the text says why and what to do."""


class SlotBusy(RelayError):
    """Another session reads or rebuilds the slot."""


class SlotLost(RelayError):
    """The slot is missing or invalidated: what it would have sent is still in the table."""


class StreamEnded(RelayError):
    """The stream ended from the server's side. Nothing is lost: it goes on from what was confirmed."""


class UnknownLayout(RelayError):
    """What PostgreSQL sends is not what this relay reads: another table layout or another protocol."""


class WrongSetup(RelayError):
    """Something in the database or the settings has to be put right by hand first."""


class Unreachable(RelayError):
    """PostgreSQL does not answer."""
