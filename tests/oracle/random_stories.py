"""Random stories, by seed: what customers and tenants do in two to four months, and what the oracle says of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, Literal
from zoneinfo import ZoneInfo

from tests.oracle.features import ALL, Feature
from tests.oracle.numbers import instant_text
from tests.oracle.periods import Grid, calendar
from tests.oracle.random_catalog import EVENTS, Catalogs, Made
from tests.oracle.story import expected

STARTS: Final = tuple(datetime(2026, month, 10, tzinfo=UTC) for month in (1, 2, 3, 8, 9, 10, 12))
ZONES: Final = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "Asia/Kolkata", "Australia/Lord_Howe", "UTC")
CURRENCIES: Final = ("USD", "USD", "EUR", "JPY", "KWD", "CLF")
LATEST: Final = timedelta(days=25)
"""No usage comes later, is voided later or repeated later than this: the product may forget ids some time after."""
DAY: Final = timedelta(days=1)
NEW_FIELDS: Final = ("kind", "discount")
"""Of lines, which the norm does not know."""


def generate(seed: int, features: frozenset[Feature] = ALL) -> Made:
    """A scenario with all that the oracle expects of it."""
    story = Stories(Random(seed), features).story(f"random story {seed}")
    answer = expected(story)
    return story | {"expect": answer if features & NEW else without_new_fields(answer)}


def without_new_fields(answer: Made) -> Made:
    """Without the fields of lines that the norm does not know."""
    return answer | {
        "invoices": [
            invoice
            | {"lines": [{name: line[name] for name in line if name not in NEW_FIELDS} for line in invoice["lines"]]}
            for invoice in answer["invoices"]
        ]
    }


@dataclass(slots=True)
class Life:
    """What the story knows of a subscription while it writes it."""

    code: str
    customer: str
    start: datetime
    plan: Made
    grid: Grid
    calendar: bool
    trial_end: datetime | None = None
    state: Literal["active", "paused", "canceled"] = "active"
    waiting: bool = False
    pauses: list[datetime] = field(default_factory=list)
    """Their starts and ends in turn."""
    coupons: set[str] = field(default_factory=set)

    def in_trial(self, at: datetime) -> bool:
        """Whether the trial goes on."""
        return self.trial_end is not None and at < self.trial_end


@dataclass(slots=True)
class Stories:
    """Writes one story."""

    random: Random
    features: frozenset[Feature]
    timeline: list[tuple[datetime, Made]] = field(default_factory=list)
    taken: set[datetime] = field(default_factory=set)
    lives: list[Life] = field(default_factory=list)
    catalog: Made = field(default_factory=dict)
    makes: Catalogs = field(init=False)
    begin: datetime = field(init=False)
    end: datetime = field(init=False)
    zone: str = "UTC"

    def story(self, name: str) -> Made:
        """The whole case but for what it expects."""
        currency = self.random.choice(CURRENCIES)
        self.makes = Catalogs(self.random, self.features, currency)
        self.zone = self.random.choice(ZONES) if Feature.ZONES in self.features else "UTC"
        tenant: Made = {"currency": currency, "timezone": self.zone}
        if self.sometimes(Feature.TAX, 0.7):
            tenant["tax_percent"] = self.random.choice(["7.7", "19", "20", "8.875", "50"])
        self.catalog = self.makes.catalog()
        self.begin = self.random.choice(STARTS) + timedelta(days=self.random.randrange(20))
        self.end = self.begin + timedelta(days=self.random.randint(50, 120))
        for number in range(1, 1 + (self.random.randint(1, 3) if Feature.CUSTOMERS in self.features else 1)):
            self.write_customer(f"c{number}")
        self.write_tenant()
        self.timeline.append((self.end, {}))
        ordered = sorted(self.timeline, key=lambda entry: entry[0])
        timeline = [{"at": instant_text(at)} | action for at, action in ordered]
        return {"name": name, "tenant": tenant, "catalog": self.catalog, "timeline": timeline}

    # Choices ---------------------------------------------------------------------------------------------------------

    def sometimes(self, feature: Feature, chance: float) -> bool:
        """Whether to do it now."""
        return self.random.random() < chance and feature in self.features

    def moment(self, start: datetime, end: datetime) -> datetime:
        """An instant that nothing else has: no two things of a story happen at once unless it is meant."""
        while True:
            span = int((end - start) / timedelta(microseconds=1))
            at = start + timedelta(microseconds=self.random.randrange(max(span, 1)))
            if self.random.random() < 0.8:
                at = at.replace(microsecond=0)
            if at not in self.taken and start <= at:
                self.taken.add(at)
                return at

    def write(self, at: datetime, **action: Made) -> None:
        """An entry."""
        self.timeline.append((at, dict(action)))

    # Customers -------------------------------------------------------------------------------------------------------

    def write_customer(self, customer: str) -> None:
        """Subscriptions, usage and credit of a customer."""
        several = 1 + self.sometimes(Feature.SUBSCRIPTIONS, 0.4)
        for _ in range(several):
            self.write_subscription(customer)
        self.write_usage(customer)
        while self.sometimes(Feature.CREDIT, 0.65):
            self.write_credit(customer)

    def write_subscription(self, customer: str) -> None:
        """A subscription and what happens to it."""
        start = self.moment(self.begin, self.begin + timedelta(days=25))
        plan = self.random.choice(self.catalog["plans"])
        period, zone = plan["billing_period"], ZoneInfo(self.zone)
        subscribe: Made = {"subscription": f"s{len(self.lives) + 1}", "customer": customer, "plan": plan["code"]}
        on_calendar = period in {"P1M", "P1W", "P2W"} and self.sometimes(Feature.CALENDAR, 0.4)
        if on_calendar:
            subscribe["anchor"] = "calendar"
        anchor = calendar(start, period, zone) if on_calendar else start
        life = Life(subscribe["subscription"], customer, start, plan, Grid(anchor, zone), on_calendar)
        if self.sometimes(Feature.TRIAL, 0.4):
            boundary = life.grid.period(period, start)[1]
            free = self.random.choice([self.moment(start, start + timedelta(days=45)), boundary])
            life.trial_end = free
            subscribe["trial_end"] = instant_text(free)
        if self.sometimes(Feature.COUPONS, 0.3):
            life.coupons = set(self.random.sample([one["code"] for one in self.catalog["coupons"]], 2))
            subscribe["coupons"] = self.random.sample(sorted(life.coupons), 2)
        self.write(start, subscribe=subscribe)
        self.lives.append(life)
        self.write_commands(life)

    def write_commands(self, life: Life) -> None:
        """Commands, each allowed in the state that the ones before it led to."""
        moments = sorted(self.moment(life.start, self.end) for _ in range(self.random.randint(0, 7)))
        allowed = [command for feature, command in COMMANDS if feature in self.features]
        for at in moments:
            if not allowed or life.state == "canceled":
                return
            command = self.random.choice(allowed)
            command(self, life, self.perhaps_on_boundary(life, at, moments))

    def perhaps_on_boundary(self, life: Life, at: datetime, moments: list[datetime]) -> datetime:
        """The boundary before it, if no other command stands between."""
        boundary = life.grid.period(life.plan["billing_period"], at)[0]
        if boundary <= life.start or any(boundary <= other < at for other in moments) or boundary in self.taken:
            return at
        if life.in_trial(boundary) != life.in_trial(at) or not self.sometimes(Feature.ON_BOUNDARIES, 0.2):
            return at
        self.taken.add(boundary)
        return boundary

    def change_plan(self, life: Life, at: datetime) -> None:
        """To any other; not to another period where that leaves open which period an amount off is given for."""
        amounts_off = any("amount_off" in coupon for coupon in self.catalog.get("coupons", []))
        anywhere = not amounts_off and not life.calendar and self.sometimes(Feature.OTHER_PERIODS, 0.4)
        period = life.plan["billing_period"]
        plans = [plan for plan in self.catalog["plans"] if anywhere or plan["billing_period"] == period]
        life.plan = self.random.choice([plan for plan in plans if plan is not life.plan])
        self.write(at, change_plan={"subscription": life.code, "plan": life.plan["code"]})

    def cancel(self, life: Life, at: datetime) -> None:
        """Seldom."""
        if self.random.random() < 0.3 and not (life.in_trial(at) and life.waiting):
            life.state = "canceled"
            self.write(at, cancel={"subscription": life.code})

    def pause(self, life: Life, at: datetime) -> None:
        """Or the end of a pause."""
        if life.in_trial(at):
            return
        life.state = "active" if life.state == "paused" else "paused"
        life.pauses.append(at)
        self.write(at, **{"pause" if life.state == "paused" else "resume": {"subscription": life.code}})

    def change_quantity(self, life: Life, at: datetime) -> None:
        """Of a fee."""
        codes = [price["code"] for price in life.plan["prices"] if price["type"] == "recurring"]
        if codes:
            quantity = self.random.choice(["0", "1", "2", "3", "7", "0.5", "2.25"])
            change = {"subscription": life.code, "price": self.random.choice(codes), "quantity": quantity}
            self.write(at, change_quantity=change)

    def add_charge(self, life: Life, at: datetime) -> None:
        """At once or later."""
        sign = self.random.choice(["", "", "-"])
        charge: Made = {"subscription": life.code, "code": f"extra{self.random.randrange(2)}"}
        charge["amount"] = sign + self.makes.amount(50, least=1)
        charge |= self.random.choice([{}, {"quantity": "3"}, {"quantity": "0.37"}])
        charge |= self.random.choice([{}, {"taxable": False}]) | self.random.choice([{}, {"at_once": True}])
        life.waiting = not charge.get("at_once")
        self.write(at, add_charge=charge)

    def change_coupons(self, life: Life, at: datetime) -> None:
        """One more, or one less."""
        unused = sorted({one["code"] for one in self.catalog["coupons"]} - life.coupons)
        lasting = sorted(
            one["code"] for one in self.catalog["coupons"] if one["code"] in life.coupons and "periods" not in one
        )
        if lasting and self.random.random() < 0.4:
            code = self.random.choice(lasting)
            life.coupons.remove(code)
            self.write(at, remove_coupon={"subscription": life.code, "coupon": code})
        elif unused:
            code = self.random.choice(unused)
            life.coupons.add(code)
            self.write(at, apply_coupon={"subscription": life.code, "coupon": code})

    # Usage -----------------------------------------------------------------------------------------------------------

    def write_usage(self, customer: str) -> None:
        """Events in time, late, twice, and taken back."""
        for number in range(self.random.randint(5, 30)):
            occurred = self.moment_of_usage(customer)
            usage: Made = {"id": f"{customer}-{number}", "customer": customer, "event": self.random.choice(EVENTS)}
            usage["properties"] = self.properties()
            if self.sometimes(Feature.NAMED_USAGE, 0.4):
                usage["subscription"] = self.random.choice([one.code for one in self.lives if one.customer == customer])
            arrived = occurred
            if self.sometimes(Feature.LATE, 0.3):
                arrived = self.moment(occurred, occurred + LATEST)
                usage["timestamp"] = instant_text(occurred)
            self.write_arrivals(usage, occurred, arrived)

    def moment_of_usage(self, customer: str) -> datetime:
        """Any time, now and then the very end of a period."""
        if self.sometimes(Feature.ON_BOUNDARIES, 0.1):
            life = self.random.choice([one for one in self.lives if one.customer == customer])
            at = life.grid.boundary(life.plan["billing_period"], self.random.randint(1, 3))
            at -= timedelta(microseconds=self.random.choice([0, 0, 1]))
            if at not in self.taken and at < self.end:
                self.taken.add(at)
                return at
        return self.moment(self.begin, self.end)

    def write_arrivals(self, usage: Made, occurred: datetime, arrived: datetime) -> None:
        """The event, its repeat and its void."""
        self.write(arrived, usage=usage)
        if self.sometimes(Feature.REPEATS, 0.15):
            again = self.moment(arrived, occurred + LATEST + timedelta(seconds=1))
            self.write(again, usage=usage | {"timestamp": instant_text(occurred)})
        void = {"id": usage["id"], "customer": usage["customer"]}
        if self.sometimes(Feature.VOIDS, 0.15):
            self.write(self.moment(arrived, occurred + LATEST + timedelta(seconds=1)), void_usage=void)
        elif self.sometimes(Feature.EARLY_VOIDS, 0.03):
            self.write(self.moment(arrived - timedelta(days=2), arrived), void_usage=void)

    def properties(self) -> Made:
        """Everything that a meter may read."""
        change = self.random.choice(["1", "2.5", "4", "10", "3.3333"])
        if self.sometimes(Feature.NEGATIVE, 0.4):
            change = f"-{change}"
        return {
            "n": f"{self.random.randint(1, 9999) / 100:.2f}",
            "change": change,
            "who": self.random.choice("abcde"),
            "region": self.random.choice(["eu", "us", "asia"]),
            "size": self.random.choice(["s", "l"]),
        }

    # Money and zones -------------------------------------------------------------------------------------------------

    def write_credit(self, customer: str) -> None:
        """Prepaid money."""
        at = self.moment(self.begin, self.end)
        grant: Made = {"customer": customer, "amount": self.makes.money(300)}
        if self.random.random() < 0.5:
            grant["priority"] = self.random.randrange(3)
        if self.random.random() < 0.5:
            grant["expires"] = instant_text(self.moment(at, self.end + timedelta(days=20)))
        self.write(at, grant_credit=grant)

    def write_tenant(self) -> None:
        """The tenant moves."""
        while self.sometimes(Feature.CHANGE_ZONE, 0.4):
            at = self.moment(self.begin, self.end)
            if not any(self.is_near_a_boundary(life, at) for life in self.lives):
                self.write(at, change_zone={"timezone": self.random.choice(ZONES)})

    def is_near_a_boundary(self, life: Life, at: datetime) -> bool:
        """Whether, in a trial or a pause, a boundary may be before it by one zone and after it by the other."""
        kept_until = max(at, life.trial_end or at)
        if not life.in_trial(at) and len([one for one in life.pauses if one <= at]) % 2 == 0:
            return False
        for period in {plan["billing_period"] for plan in self.catalog["plans"]}:
            start, end = life.grid.period(period, max(kept_until, life.start))
            if kept_until - start < DAY or end - kept_until < DAY:
                return True
        return False


COMMANDS: Final[tuple[tuple[Feature, Callable[[Stories, Life, datetime], None]], ...]] = (
    (Feature.PLAN_CHANGES, Stories.change_plan),
    (Feature.CANCEL, Stories.cancel),
    (Feature.PAUSE, Stories.pause),
    (Feature.PAUSE, Stories.pause),
    (Feature.QUANTITIES, Stories.change_quantity),
    (Feature.CHARGES, Stories.add_charge),
    (Feature.COUPONS, Stories.change_coupons),
)
NEW: Final = frozenset({Feature.TRIAL, Feature.PAUSE, Feature.QUANTITIES, Feature.ONE_OFF, Feature.CHARGES}) | {
    Feature.COMMITMENTS,
    Feature.COUPONS,
    Feature.ACROSS_GROUPS,
    Feature.CHANGE_ZONE,
}
