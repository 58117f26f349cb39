"""What is sent and asked, in what order: a function of the seed alone.

A script tells the lives of one cohort of tenants after another. Each tenant has a test clock with a few stops; at a
stop its subscriptions change plans, pause, resume or end, and between two stops its customers use things. Usage that
occurred between two stops is sent between them, but for what is sent ahead of its time, late, again, or much later.
All of a tenant's subscriptions are canceled at its end, so everything that was sent in time is on an invoice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Final

from msgspec.structs import replace

from tests.faults.history.log import Content
from tests.faults.history.steps import Apply, Clock, Command, Form, Grant, Send, Step, Void
from tests.faults.history.wire import UNMEASURABLE, UNREADABLE
from tests.oracle.features import ALL, Feature
from tests.oracle.numbers import instant_text
from tests.oracle.random_catalog import EVENTS, Catalogs, Made

PRODUCERS: Final = 3
_STARTS: Final = tuple(datetime(2026, month, 10, tzinfo=UTC) for month in (1, 2, 3, 9, 10, 12))
_ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
_CURRENCIES: Final = ("USD", "EUR", "JPY", "KWD", "CLF")
_SOURCES: Final = ("", "meter-1", "meter-2")
_SHORTEST_DAYS: Final = 6
_LATEST: Final = timedelta(days=12)
"""Usage comes no later than this: far within the usage window, however long the period was."""
_CATALOG: Final = ALL - {Feature.TRIAL, Feature.CHARGES, Feature.QUANTITIES, Feature.CHANGE_ZONE}
_US: Final = timedelta(microseconds=1)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WINDOWS: Final = (1, 10, 10_000)
"""How far a producer's order may be from the order of time."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large things are: tenants of a cohort, customers of a tenant, stretches of a life, events of each."""

    tenants: int = 5
    customers: int = 4
    stretches: int = 8
    events: int = 50


@dataclass(slots=True)
class Life:
    """A subscription and when it is active, as the script has it."""

    code: str
    customer: str
    start: datetime
    plan: Made
    active: list[tuple[datetime, datetime | None]]
    canceled: bool = False

    @property
    def paused(self) -> bool:
        """Whether it does not measure now."""
        return self.active[-1][1] is not None

    def within(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """When it is active in a stretch of time."""
        parts = [(max(one, start), min(other or end, end)) for one, other in self.active]
        return [(one, other) for one, other in parts if one < other]


def script(seed: int, shape: Shape) -> Iterator[tuple["Tenant", Step]]:
    """Every step that a seed stands for, each with its tenant, without end."""
    for cohort in count():
        yield from _cohort(seed, cohort, shape)


def _cohort(seed: int, cohort: int, shape: Shape) -> Iterator[tuple["Tenant", Step]]:
    """The steps of one cohort, its tenants side by side."""
    random = Random(f"{seed}/{cohort}")
    tenants = [
        Tenant(f"f{seed}-{cohort}-{place}", Random(f"{seed}/{cohort}/{place}"), shape) for place in range(shape.tenants)
    ]
    going = [(tenant, iter(tenant.steps())) for tenant in tenants]
    while going:
        turn = random.choice(going)
        for _ in range(random.randint(1, 20)):
            step = next(turn[1], None)
            if step is None:
                going.remove(turn)
                break
            yield turn[0], step


@dataclass(slots=True)
class Tenant:
    """One tenant's part of a script."""

    code: str
    random: Random
    shape: Shape
    lives: list[Life] = field(default_factory=list)
    document: Made = field(default_factory=dict)
    stops: list[datetime] = field(default_factory=list)
    _taken: set[tuple[str, int]] = field(default_factory=set)
    _usage: int = 0
    _window: int = 1
    _keyed: bool = True
    _again: list[Send] = field(default_factory=list)
    """What is sent once more in a later stretch."""

    @property
    def end(self) -> datetime:
        """The last stop."""
        return self.stops[-1]

    def steps(self) -> Iterator[Step]:
        """The whole life."""
        self._begin()
        yield Apply(self.code, self.stops[0], self.document, settle=True)
        for customer in self.document["customers"]:
            if self._chance(0.3):
                amount = str(self.random.randint(1, 90))
                yield Grant(self.code, self.stops[0], customer["code"], f"grant-{customer['code']}", amount, twice=True)
        for number, (start, until) in enumerate(zip(self.stops, self.stops[1:], strict=False)):
            yield from self._stretch(number, start, until)
            if until != self.end:
                yield Clock(self.code, until, twice=self._chance(0.3))
                yield from self._commands(until)
        yield from self.ending()

    def ending(self) -> Iterator[Step]:
        """From anywhere to the end: every cycle closes, every subscription is canceled."""
        yield Clock(self.code, self.end)
        for life in self.lives:
            yield Command(self.code, self.end, "cancel", life.code, twice=True)

    def stragglers(self) -> Iterator[Step]:
        """Usage that comes when all is over, which no invoice can have any more."""
        life = self.lives[0]
        for name, at in (("final-billed", life.start), ("after-end", self.end + timedelta(days=1))):
            content = replace(self._content(life, at), subscription=life.code, type="load")
            yield self._sent(content, plant="a straggler", reason=name)

    # The tenant ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        currency, start = self.random.choice(_CURRENCIES), self.random.choice(_STARTS)
        self._window, self._keyed = self.random.choice(_WINDOWS), self._chance(0.5)
        self.stops = [start]
        for _ in range(self.shape.stretches):
            self.stops.append(
                self.stops[-1]
                + timedelta(days=self.random.randint(_SHORTEST_DAYS, 14), seconds=self.random.randrange(86_400))
            )
        catalog = Catalogs(self.random, _CATALOG, currency).catalog()
        catalog["meters"].append({"code": "load", "event": "load", "aggregation": "sum", "property": "n"})
        for plan in catalog["plans"]:
            rate = {"model": "per_unit", "unit_amount": f"0.{self.random.randint(1, 999):03}"}
            plan["prices"].append({"code": f"{plan['code']}_load", "type": "usage", "meter": "load"} | rate)
        customers = [f"c{number}" for number in range(1, self.shape.customers)] + ["kündin"]
        subscriptions = [made for customer in customers for made in self._subscriptions(customer, catalog)]
        self.document = {
            "code": self.code,
            "currency": currency,
            "timezone": self.random.choice(_ZONES),
            "tax_percent": self.random.choice(["0", "7.7", "19", "8.875"]),
            "test_clock": instant_text(start),
            **catalog,
            "customers": [{"code": customer} for customer in customers],
            "subscriptions": subscriptions,
        }

    def _subscriptions(self, customer: str, catalog: Made) -> Iterator[Made]:
        for _ in range(1 + self._chance(0.35)):
            plan = self.random.choice(catalog["plans"])
            # All have started by the first stop: usage that overtakes the start of a second subscription, while the
            # first has ended already, is called after-end in a dead letter, and is billed all the same.
            start = self.stops[0] + self._chance(0.3) * timedelta(
                seconds=self.random.randrange(_SHORTEST_DAYS * 86_400)
            )
            life = Life(f"s{len(self.lives) + 1}", customer, start, plan, [(start, None)])
            self.lives.append(life)
            made: Made = {"code": life.code, "customer": customer, "plan": plan["code"], "start": instant_text(start)}
            if plan["billing_period"] in {"P1M", "P1W", "P2W"} and self._chance(0.4):
                made["anchor"] = "calendar"
            if self._chance(0.3):
                made["coupons"] = self.random.sample([coupon["code"] for coupon in catalog["coupons"]], 2)
            yield made

    # Commands --------------------------------------------------------------------------------------------------------

    def _commands(self, at: datetime) -> Iterator[Step]:
        """What happens to the subscriptions at a stop."""
        for life in self.lives:
            if life.canceled or life.start >= at or not (life.paused or self._chance(0.3)):
                continue
            twice = self._chance(0.4)
            if (
                life.paused
            ):  # for one stretch only: a resumption waits for no usage, and expires what is too old by then
                life.active.append((at, None))
                # Usage that overtakes a resumption is called paused in a dead letter, and is billed all the same.
                yield Command(self.code, at, "resume", life.code, twice, settle=True)
                continue
            match self.random.choice(["change", "change", "pause", "cancel"]):
                case "change":
                    yield self._change(life, at, twice=twice)
                case "pause":
                    life.active[-1] = (life.active[-1][0], at)
                    yield Command(self.code, at, "pause", life.code, twice)
                case "cancel" if sum(not one.canceled for one in self.lives) > 1 and life is not self.lives[0]:
                    life.active[-1], life.canceled = (life.active[-1][0], at), True
                    yield Command(self.code, at, "cancel", life.code, twice)
                case _:
                    pass

    def _change(self, life: Life, at: datetime, *, twice: bool) -> Apply:
        """Another plan of the same period, by the apply file."""
        period = life.plan["billing_period"]
        life.plan = self.random.choice(
            [plan for plan in self.document["plans"] if plan["billing_period"] == period and plan is not life.plan]
        )
        changed = [
            one | {"plan": life.plan["code"]} if one["code"] == life.code else one
            for one in self.document["subscriptions"]
        ]
        self.document = self.document | {"subscriptions": changed}
        return Apply(self.code, at, self.document, twice=twice)

    # Usage -----------------------------------------------------------------------------------------------------------

    def _stretch(self, number: int, start: datetime, until: datetime) -> Iterator[Step]:
        """What is sent while the clock stands at `start`: it occurs before `until`, but for what is ahead or late."""
        sends: list[Send] = []
        voids: list[Void] = []
        again, self._again = self._again, []
        for customer in self.document["customers"]:
            lives = [life for life in self.lives if life.customer == customer["code"] and not life.canceled]
            for _ in range(self.shape.events if lives else 0):
                content = self._used(self.random.choice(lives), number, start, until)
                if content is not None:
                    sends += self._copies(content)
                    if self._chance(0.02):
                        twice = self._chance(0.3)
                        voids.append(Void(self.code, start, content.customer, content.id, content.source, twice))
        sends.sort(key=lambda send: send.content.at_us)
        steps: list[Step] = [*_shuffled(sends, self._window, self.random)]
        others: list[Step] = [*again, *voids, *self._poison(number, start, until)]
        for step in others:
            steps.insert(self.random.randint(0, len(steps)), step)
        yield from steps

    def _used(self, life: Life, number: int, start: datetime, until: datetime) -> Content | None:
        parts, lot = life.within(start, until), self.random.random()
        if lot < 0.05:
            parts = life.within(start - _LATEST, start) or parts
        elif lot < 0.08 and number + 2 < len(self.stops) and not self._waits_for_another(life) and parts:
            parts = life.within(until, self.stops[number + 2])
        if not parts:
            return None
        content = self._content(life, self._moment(life.customer, *self.random.choice(parts)))
        return replace(content, subscription=life.code) if self._chance(0.25) else content

    def _waits_for_another(self, life: Life) -> bool:
        """Whether one of the customer's subscriptions is paused: usage ahead of time could overtake its resumption."""
        return any(one.paused and not one.canceled for one in self.lives if one.customer == life.customer)

    def _moment(self, customer: str, start: datetime, until: datetime) -> datetime:
        """An instant at which the customer does nothing else: the order of two events would be open."""
        while True:
            at = start + self.random.randrange(max((until - start) // _US, 1)) * _US
            if (key := (customer, (at - _EPOCH) // _US)) not in self._taken:
                self._taken.add(key)
                return at

    def _content(self, life: Life, at: datetime) -> Content:
        self._usage += 1
        change, n = (
            self.random.choice(["1", "2.5", "-4", "10", "-3.3333"]),
            f"{self.random.randint(1, 9_999) / 100:.2f}",
        )
        kind = self.random.choice([*EVENTS, "load"])
        return Content(
            tenant=self.code,
            customer=life.customer,
            id=f"e{self._usage}",
            source=self.random.choice(_SOURCES),
            type=kind,
            at_us=(at - _EPOCH) // _US,
            properties={
                "n": f"-{n}" if kind == "load" and self._chance(0.1) else n,
                "change": change,
                "who": self.random.choice("abcde"),
                "region": self.random.choice(["eu", "us", "asia"]),
                "size": self.random.choice(["s", "l"]),
            },
        )

    def _copies(self, content: Content) -> Iterator[Send]:
        """One record, or more of the same, or another content under its name; some of them only later."""
        yield self._sent(content)
        if self._chance(0.08):
            for _ in range(self.random.randint(1, 4)):
                yield self._sent(content)
        if self._chance(0.03):
            self._again.append(self._sent(content))
        if self._chance(0.015):
            number = content.properties["n"]
            other = self._sent(replace(content, properties=content.properties | {"n": f"{number}1"}))
            if self._chance(0.5):
                self._again.append(other)
            else:
                yield other

    def _sent(self, content: Content, *, plant: str = "", reason: str = "") -> Send:
        form = Form.JSON if content.source and self._chance(0.4) else Form.AVRO
        producer = hash_of(content.customer) % PRODUCERS if self._keyed else self.random.randrange(PRODUCERS)
        return Send(content.tenant, content, form, producer, self._keyed, plant, reason)

    # Poison ----------------------------------------------------------------------------------------------------------

    def _poison(self, number: int, start: datetime, until: datetime) -> Iterator[Send]:
        """A few records that nobody can bill."""
        lives = [(life, parts) for life in self.lives if not life.canceled and (parts := life.within(start, until))]
        if not lives:
            return
        names = self.random.sample([name for name in sorted(UNREADABLE) if name != "two megabytes"], 3)
        for name in ["two megabytes", *names] if number == 0 else names:
            life, parts = self.random.choice(lives)
            content = self._content(life, self._moment(life.customer, *parts[0]))
            yield self._sent(replace(content, source="poison"), plant=name, reason=UNREADABLE[name])
        for name in self.random.sample(sorted(UNMEASURABLE), 2):
            life, parts = self.random.choice(lives)
            reason, properties = UNMEASURABLE[name]
            content = self._content(life, self._moment(life.customer, *parts[0]))
            content = replace(
                content, type="load", properties=dict(properties), subscription=life.code, source="poison"
            )
            yield self._sent(content, plant=name, reason=reason)

    def _chance(self, part: float) -> bool:
        return self.random.random() < part


def hash_of(text: str) -> int:
    """A number of a text that is the same in every process."""
    return sum(text.encode())


def _shuffled(sends: Sequence[Send], window: int, random: Random) -> Iterator[Send]:
    """The same in another order, within windows of so many."""
    for start in range(0, len(sends), window):
        part = list(sends[start : start + window])
        random.shuffle(part)
        yield from part
