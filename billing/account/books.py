"""The state of an account, and the head that it is restored from."""

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from billing.account.frontier import Frontier
from billing.account.items import VERSION, Items, check_version
from billing.account.parking import Parking, ParkingRecord
from billing.account.subscribed import Subscribed, SubscribedRecord
from billing.entry import CustomerId, TenantId, Usage

KNOWN_COMMANDS: Final = 256  # a relay repeats what it had not confirmed before a crash: the newest, never the old
_MARK_BYTES: Final = 8


class _Head(msgspec.Struct, array_like=True, frozen=True):
    version: int
    subscriptions: tuple[SubscribedRecord, ...] = ()
    commands: bytes = b""
    parked: ParkingRecord = ParkingRecord()


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Head).decode


@dataclass(slots=True, eq=False)
class Books:
    """Subscriptions in the order of their starts, marks of the newest commands, parked usage, and the frontier."""

    tenant: TenantId
    customer: CustomerId
    usage_window_us: int
    items: Items
    subscribed: list[Subscribed]
    commands: deque[bytes]
    parking: Parking
    frontier: Frontier

    @classmethod
    def restored(
        cls, tenant: TenantId, customer: CustomerId, head: bytes | None, items: Items, usage_window_us: int
    ) -> "Books":
        """Returns the books as they stood when the head was written, empty ones for None.

        Raises:
            Defect: the head is of another version.
        """
        record = _Head(VERSION) if head is None else _decode(head)
        check_version(record.version, "an account")
        marks = [record.commands[at : at + _MARK_BYTES] for at in range(0, len(record.commands), _MARK_BYTES)]
        return cls(
            tenant=tenant,
            customer=customer,
            usage_window_us=usage_window_us,
            items=items,
            subscribed=[Subscribed(tenant, customer, one, items, usage_window_us) for one in record.subscriptions],
            commands=deque(marks, KNOWN_COMMANDS),
            parking=Parking(record.parked, items),
            frontier=Frontier(items),
        )

    def head(self) -> bytes:
        """Returns what they are restored from, beside the items."""
        subscriptions = tuple(one.record() for one in self.subscribed)
        return _encode(_Head(VERSION, subscriptions, b"".join(self.commands), self.parking.record))

    def measuring(self, usage: Usage) -> list[Subscribed]:
        """Returns the subscriptions that usage is for: the one that it names, else all."""
        return [one for one in self.subscribed if one.measures(usage)]
