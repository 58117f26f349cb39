"""A cell: what one price measures of one group in one window, and what was billed of it."""

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from billing.account.identity import events_digest
from billing.account.items import VERSION, cell_key, check_version
from billing.account.records import CellRecord, decode_cell, encode_record
from billing.account.tariff import Measured
from billing.meter import EventValues, Value, load_accumulator, new_accumulator
from billing.price import charge
from billing.quantity import ZERO, canonical, plain, rounded, subtract
from billing.statement import Total

if TYPE_CHECKING:
    from billing.account.window import Window


class Bill(NamedTuple):
    """What a cell comes to: its quantity, and the amount in minor units."""

    quantity: Decimal
    amount_minor: int


class Cell:
    """The values of one group, read by one price's meter, in one window.

    `carried` is the level that the window before closed with, `billed` what statements have said of it; None where
    nothing was. `events_sum` is the sum of its events' numbers (`billing.account.identity.event_number`).
    """

    __slots__ = (
        "accumulator", "billed", "carried", "dirty", "dropped", "events_sum", "group", "key", "measured",
        "values", "window",
    )  # fmt: skip

    def __init__(self, ordinal: int, window: "Window", measured: Measured, group: tuple[str, ...]) -> None:
        self.key = cell_key(ordinal, window.number, measured.number, group)
        self.window = window
        self.measured = measured
        self.group = group
        self.accumulator = new_accumulator(measured.meter)
        self.values = EventValues() if measured.by_event else None
        self.carried: Decimal | None = None
        self.events_sum = 0
        self.billed: Bill | None = None
        self.dirty = False
        self.dropped = False

    def restore(self, stored: bytes) -> None:
        """Becomes what was dumped."""
        record = decode_cell(stored)
        check_version(record.version, "a cell")
        self.accumulator = load_accumulator(self.measured.meter, record.accumulator)
        if self.values is not None:
            assert record.values is not None
            self.values.load(record.values)
        self.carried = None if record.carried is None else Decimal(record.carried)
        self.events_sum = int.from_bytes(record.events, "big")
        self.billed = None if record.billed is None else Bill(Decimal(record.billed[0]), int(record.billed[1]))

    def dump(self) -> bytes:
        """Returns all of the cell; equal cells have equal bytes."""
        record = CellRecord(
            version=VERSION,
            group=self.group,
            accumulator=self.accumulator.dump(),
            values=None if self.values is None else self.values.dump(),
            carried=None if self.carried is None else plain(self.carried),
            events=events_digest(self.events_sum),
            billed=None if self.billed is None else (plain(self.billed.quantity), str(self.billed.amount_minor)),
        )
        return encode_record(record)

    def add(self, value: Value, at_us: int, position: int, number: int) -> None:
        """Takes an event in; `number` is its `event_number`."""
        self.events_sum += number
        self.accumulator.add(value, at_us, position)
        if self.values is not None:
            self.values.add(value, at_us, position)

    def retract(self, value: Value, at_us: int, position: int, number: int) -> None:
        """Takes an event back as if it had never been."""
        self.events_sum -= number
        self.accumulator.retract(value, at_us, position)
        if self.values is not None:
            self.values.retract(value, at_us, position)

    @property
    def entries(self) -> int:
        """How many values it keeps one by one."""
        return self.accumulator.entries + (0 if self.values is None else self.values.entries)

    @property
    def owes(self) -> bool:
        """Whether it has a line: without groups always, a group while it has events or a level brought in."""
        return not self.group or self.accumulator.events > 0 or bool(self.carried)

    def quantity(self) -> Decimal:
        """Returns the quantity, as it is billed."""
        return rounded(self.accumulator.quantity(self.window.span, self.carried))

    def bill(self) -> Bill:
        """Returns what all of it comes to by itself, however much of it was billed."""
        quantity = self.quantity()
        events = None if self.values is None else self.values.values()
        amount = charge(self.measured.price, quantity, self.window.tariff.currency, events)
        return Bill(quantity, amount)

    def bill_so_far(self) -> Bill:
        """Returns what it comes to as far as it can tell alone: of groups priced together, the share billed last."""
        if not self.measured.price.across_groups:
            return self.bill()
        return Bill(self.quantity(), 0 if self.billed is None else self.billed.amount_minor)

    def total(self, tenant: str, customer: str, subscription: str, position: int) -> Total:
        """Returns quantity and amount so far, before coupons; in a trial nothing is owed.

        Of groups that are priced together nobody knows a share before the window closes: until then it is 0.
        """
        window, price, bill = self.window, self.measured.price, self.bill_so_far()
        return Total(
            tenant=tenant,
            customer=customer,
            subscription=subscription,
            price=price.code,
            group=dict(zip(self.measured.meter.group_by, self.group, strict=True)) if self.group else {},
            period_start_us=window.start_us,
            period_end_us=window.end_us,
            quantity=plain(bill.quantity),
            amount_minor=bill.amount_minor if self.owes and not window.trial else 0,
            currency=window.tariff.currency.code,
            position=position,
        )

    def closing_level(self) -> Decimal | None:
        """Returns the level that the next window begins with; None where the meter carries none."""
        return self.accumulator.closing_level(self.carried)


def difference(now: Bill | None, before: Bill | None) -> tuple[str, int]:
    """Returns how much quantity and amount have grown; None is nothing at all."""
    quantity = subtract(ZERO if now is None else now.quantity, ZERO if before is None else before.quantity)
    amount = (0 if now is None else now.amount_minor) - (0 if before is None else before.amount_minor)
    return canonical(quantity), amount
