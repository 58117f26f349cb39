"""Where a record stands: every tenant in its own slice of neighbouring partitions.

A loud tenant slows at most its slice, and an account never moves. Both numbers are fixed when the topics are made:
with others every account would move away from its state.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF
_CACHED_ACCOUNTS: Final = 1 << 17  # about 30 MB of keys at most; a hit costs 0.1 µs, a miss 4 µs

Placement = Callable[[str, str], int]
"""`placement(tenant, customer)` is the partition of the account."""


def murmur2(key: bytes) -> int:
    """Returns the 31-bit MurmurHash2 of `key` as Kafka's Java client counts it: the sign bit is cleared."""
    tail = len(key) & ~3
    state = _SEED ^ len(key)
    for at in range(0, tail, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MULTIPLIER & _WORD
        word = (word ^ word >> 24) * _MULTIPLIER & _WORD
        state = state * _MULTIPLIER & _WORD ^ word
    if tail < len(key):
        state = (state ^ int.from_bytes(key[tail:], "little")) * _MULTIPLIER & _WORD
    state = (state ^ state >> 13) * _MULTIPLIER & _WORD
    return (state ^ state >> 15) & 0x7FFFFFFF


@lru_cache(maxsize=16)
def placement(*, partitions: int, slice_size: int) -> Placement:
    """Returns the function that places accounts among `partitions`, each tenant within `slice_size` neighbours.

    Raises:
        ValueError: one of the two is below 1.
    """
    if partitions < 1 or slice_size < 1:
        raise ValueError(f"partitions and slice size are at least 1, not {partitions} and {slice_size}")

    @lru_cache(maxsize=_CACHED_ACCOUNTS)
    def place(tenant: str, customer: str) -> int:
        return (murmur2(tenant.encode()) + murmur2(customer.encode()) % slice_size) % partitions

    return place


def partition_of(tenant: str, customer: str, *, partitions: int, slice_size: int) -> int:
    """Returns the partition of an account: (murmur2(tenant) + murmur2(customer) mod slice) mod partitions.

    A loop over many records keeps `placement(…)` instead, which saves it 0.2 µs a record.
    """
    return placement(partitions=partitions, slice_size=slice_size)(tenant, customer)
