"""What an account keeps and says at most, so that no stranger's usage makes a record that Kafka would refuse for ever.

A record may have 16 MiB, and one that is larger would end its worker at each attempt: nothing behind it would ever be
billed. So a statement has room for the groups of one window and for as many late ones, and a cell for its values.
"""

from collections.abc import Sequence
from typing import Final

LARGEST_GROUPS_BYTES: Final = 4 << 20
"""The lines of all groups of one window; some 20,000 groups of ordinary names."""
LARGEST_LATE_BYTES: Final = LARGEST_GROUPS_BYTES
"""The lines of all late groups of one subscription, between two of its statements."""
MOST_VALUES: Final = 200_000
"""The values that one cell keeps one by one, at most 70 bytes each."""
_LINE_BYTES: Final = 180  # what a line has beside its names, as Avro


def line_bytes(price: str, names: Sequence[str], group: Sequence[str]) -> int:
    """Returns about how long the line of a group is."""
    return _LINE_BYTES + sum([len(text.encode()) for text in (price, *names, *group)])
