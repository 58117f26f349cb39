"""The state of an account, and the head that it is restored from."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec.structs import replace

from billing.account.frontier import Frontier
from billing.account.items import VERSION, Items, check_version
from billing.account.parking import Parking, ParkingRecord
from billing.account.subscribed import Subscribed, SubscribedRecord
from billing.entry import CustomerId, TenantId, Usage

KNOWN_COMMANDS: Final = 256  # a relay repeats what it had not confirmed before a crash: the newest, never the old
_MARK_BYTES: Final = 8
_PLACE_BYTES: Final = 4


class _Head(msgspec.Struct, array_like=True, frozen=True):
    version: int
    subscriptions: tuple[SubscribedRecord, ...] = ()
    commands: bytes = b""
    parked: ParkingRecord = ParkingRecord()
    terms: tuple[bytes, ...] = ()
    """Each once, however many subscriptions agreed on them: a customer may have thousands."""


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
            subscribed=[
                Subscribed(
                    tenant,
                    customer,
                    _with_terms(one, lambda place: record.terms[int.from_bytes(place, "big")]),
                    items,
                    usage_window_us,
                )
                for one in record.subscriptions
            ],
            commands=deque(marks, KNOWN_COMMANDS),
            parking=Parking(record.parked, items),
            frontier=Frontier(items),
        )

    def head(self) -> bytes:
        """Returns what they are restored from, beside the items."""
        terms: dict[bytes, int] = {}
        subscriptions = tuple(
            _with_terms(one.record(), lambda agreed: terms.setdefault(agreed, len(terms)).to_bytes(_PLACE_BYTES, "big"))
            for one in self.subscribed
        )
        return _encode(_Head(VERSION, subscriptions, b"".join(self.commands), self.parking.record, tuple(terms)))

    def measuring(self, usage: Usage) -> list[Subscribed]:
        """Returns the subscriptions that usage is for: the one that it names, else all."""
        return [one for one in self.subscribed if one.measures(usage)]


def _with_terms(record: SubscribedRecord, other: Callable[[bytes], bytes]) -> SubscribedRecord:
    """Returns the record with its terms replaced: by their place in the head, or the other way."""
    timeline = replace(record.timeline, terms=tuple(map(other, record.timeline.terms)))
    addenda = record.addenda
    if addenda is not None:
        addenda = replace(
            addenda, commitments=[replace(term, agreed=other(term.agreed)) for term in addenda.commitments]
        )
    return replace(record, agreed=other(record.agreed), timeline=timeline, addenda=addenda)
