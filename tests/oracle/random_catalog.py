"""Random meters, plans and coupons for stories."""

from collections.abc import Callable  # noqa: TC003 - tests need no blocks for types
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any, Final, TypeAlias

from tests.oracle.features import Feature
from tests.oracle.numbers import DIGITS
from tests.oracle.random_prices import written

Made: TypeAlias = dict[str, Any]
EVENTS: Final = ("call", "job", "seat", "tokens")
AGGREGATIONS: Final = ("count", "sum", "max", "min", "avg", "unique", "latest", "weighted_sum", "percentile")
PERIODS: Final = ("P1M", "P1M", "P1W", "P2W", "P28D", "P10D", "P3M", "P1M")
TERMS: Final = {"P1M": ("P3M", "P2M"), "P1W": ("P2W", "P4W"), "P2W": ("P4W",), "P10D": ("P20D",), "P3M": ("P1Y", "P6M")}


@dataclass(frozen=True, slots=True)
class Catalogs:
    """Makes catalogs of these features."""

    random: Random
    features: frozenset[Feature]
    currency: str

    def sometimes(self, feature: Feature, chance: float) -> bool:
        """Whether to do it now."""
        return self.random.random() < chance and feature in self.features

    def catalog(self) -> Made:
        """Meters, plans of one to three families of a billing period each, coupons."""
        meters = [self.meter(number) for number in range(self.random.randint(2, 4))]
        plans = [
            self.plan(f"{name}{family}", period, meters)
            for family, period in enumerate(self.periods())
            for name in ("small", "large", "other")
        ]
        catalog: Made = {"meters": meters, "plans": plans}
        if Feature.COUPONS in self.features:
            catalog["coupons"] = [self.coupon(number, plans) for number in range(4)]
        return catalog

    def periods(self) -> list[str]:
        """The billing periods of the families."""
        if Feature.PERIODS not in self.features:
            return ["P1M"]
        return [self.random.choice(PERIODS) for _ in range(2)]

    # Meters ----------------------------------------------------------------------------------------------------------

    def meter(self, number: int) -> Made:
        """A meter of any aggregation."""
        aggregation = self.random.choice(AGGREGATIONS)
        meter: Made = {"code": f"m{number}", "event": self.random.choice(EVENTS), "aggregation": aggregation}
        if aggregation != "count":
            meter["property"] = "who" if aggregation == "unique" else "n"
        if aggregation == "weighted_sum":
            meter["property"] = "change"
        if aggregation == "percentile":
            meter["percentile"] = self.random.choice(["50", "95", "99.9", "100", "1"])
        if self.sometimes(Feature.FILTERS, 0.25):
            meter["filters"] = {"region": self.random.sample(["eu", "us", "asia"], 2)}
        if aggregation in {"latest", "weighted_sum"} and self.sometimes(Feature.CARRY_OVER, 0.6):
            meter["carry_over"] = True
        if self.sometimes(Feature.GROUPS, 0.4):
            meter["group_by"] = self.random.choice([["region"], ["region", "size"]])
        return meter

    # Prices ----------------------------------------------------------------------------------------------------------

    def plan(self, code: str, period: str, meters: list[Made]) -> Made:
        """A plan with a price for each meter that carries over, and for some of the others."""
        usage = [meter for meter in meters if meter.get("carry_over") or self.random.random() < 0.7]
        prices = [self.usage_price(f"{code}_{meter['code']}", meter) for meter in usage]
        prices += [self.recurring(f"{code}_fee") for _ in range(self.random.random() < 0.6)]
        prices += [self.recurring("seats") for _ in range(self.random.random() < 0.6)]
        if self.sometimes(Feature.ONE_OFF, 0.5):
            prices.append(self.one_off(self.random.choice(["setup", f"{code}_setup"])))
        if self.sometimes(Feature.COMMITMENTS, 0.6):
            prices.append(self.commitment(f"{code}_least", period))
        self.random.shuffle(prices)
        return {"code": code, "billing_period": period, "prices": prices}

    def usage_price(self, code: str, meter: Made) -> Made:
        """A price of any model."""
        price: Made = {"code": code, "type": "usage", "meter": meter["code"]}
        last_value = meter["aggregation"] == "latest" and meter.get("carry_over")
        wide = bool(meter.get("group_by")) and not last_value and self.sometimes(Feature.ACROSS_GROUPS, 0.6)
        price |= self.model(percentage=meter["aggregation"] == "sum" and not wide)
        if wide:
            price["across_groups"] = True
        if price["model"] != "percentage":
            if self.random.random() < 0.2:
                price["free_units"] = self.quantity()
            if self.random.random() < 0.15:
                price["unit_conversion"] = {"divide_by": self.random.choice(["3", "10", "7.5"])} | self.random.choice(
                    [{}, {"rounding": "up"}, {"rounding": "down"}, {"rounding": "half_up"}]
                )
        for name, chance in (("discount_percent", 0.1), ("minimum_amount", 0.2)):
            if self.random.random() < chance:
                price[name] = self.amount(20)
        if self.random.random() < 0.1:
            price["maximum_amount"] = self.amount(900, least=100)
        return self.taxed(price)

    def model(self, *, percentage: bool) -> Made:
        """A model and its fields."""
        models: list[Callable[[], Made]] = [
            lambda: {"model": "per_unit", "unit_amount": self.amount(5)},
            lambda: {"model": "graduated", "tiers": self.tiers("unit_amount")} | self.flat_when_zero(),
            lambda: {"model": "volume", "tiers": self.tiers("unit_amount")} | self.flat_when_zero(),
            lambda: {"model": "graduated_percentage", "tiers": self.tiers("rate_percent")} | self.flat_when_zero(),
            lambda: {"model": "package", "package_size": self.quantity(), "package_amount": self.amount(20)},
            lambda: {"model": "dynamic", "multiplier": self.amount(3)},
        ]
        if percentage:
            models += [self.percentage] * 2
        return self.random.choice(models)()

    def percentage(self) -> Made:
        """Rates of events."""
        price: Made = {"model": "percentage", "rate_percent": self.amount(30), "per_event_amount": self.amount(2)}
        if self.random.random() < 0.5:
            price["free_events"] = self.random.randint(1, 4)
        if self.random.random() < 0.5:
            price["free_amount"] = self.amount(80)
        if self.random.random() < 0.3:
            price["event_maximum"] = self.amount(9, least=5)
        if self.random.random() < 0.3:
            price["event_minimum"] = self.amount(5)
        return price

    def flat_when_zero(self) -> Made:
        """Given or not."""
        return self.random.choice([{}, {"flat_when_zero": True}, {"flat_when_zero": False}])

    def tiers(self, rate: str) -> list[Made]:
        """Up to three tiers."""
        bounds = sorted(self.random.sample(range(1, 120), self.random.randint(0, 2)))
        made: list[Made] = [{"up_to": str(bound)} for bound in bounds] + [{}]
        for tier in made:
            tier[rate] = self.amount(9)
            if self.random.random() < 0.5:
                tier["flat_amount"] = self.amount(30)
        return made

    def recurring(self, code: str) -> Made:
        """A fee."""
        price: Made = {"code": code, "type": "recurring", "amount": self.amount(150)}
        if self.random.random() < 0.4:
            price["quantity"] = self.random.choice(["2", "3", "0.5", "10"])
        if self.sometimes(Feature.ARREARS, 0.4):
            price["billed"] = "in_arrears"
        return self.taxed(price)

    def one_off(self, code: str) -> Made:
        """Owed once."""
        price: Made = {"code": code, "type": "one_off", "amount": self.amount(90)}
        return self.taxed(price | self.random.choice([{}, {"quantity": "3"}, {"quantity": "0.333"}]))

    def commitment(self, code: str, period: str) -> Made:
        """Least amounts of terms."""
        price: Made = {"code": code, "type": "commitment", "amount": self.amount(900)}
        if self.random.random() < 0.6 and period in TERMS:
            price["term"] = self.random.choice(TERMS[period])
        return self.taxed(price)

    def taxed(self, price: Made) -> Made:
        """Some prices bear no tax."""
        return price | ({"taxable": False} if self.sometimes(Feature.TAX, 0.2) else {})

    # Coupons ---------------------------------------------------------------------------------------------------------

    def coupon(self, number: int, plans: list[Made]) -> Made:
        """A percent or an amount off."""
        coupon: Made = {"code": f"c{number}"}
        if self.sometimes(Feature.AMOUNT_COUPONS, 0.5):
            coupon["amount_off"] = self.money(60)
        else:
            coupon["percent_off"] = self.random.choice(["10", "33.3", "50", "100", "12.5", "0.1"])
        if self.random.random() < 0.6:
            coupon["periods"] = self.random.randint(1, 3)
        if self.random.random() < 0.3:
            codes = sorted({price["code"] for plan in plans for price in plan["prices"]} | {"extra0"})
            coupon["prices"] = self.random.sample(codes, min(6, len(codes)))
        return coupon

    # Numbers ---------------------------------------------------------------------------------------------------------

    def amount(self, most: int, *, least: int = 0) -> str:
        """A rate: whole, in cents, or with more digits."""
        digits = self.random.choice([0, 1, 2, 2, 3, 4, 6])
        return written(Decimal(self.random.randint(least * 10**digits, most * 10**digits)).scaleb(-digits))

    def money(self, most: int) -> str:
        """An amount that can be paid."""
        digits = DIGITS[self.currency]
        return written(Decimal(self.random.randint(1, most * 10**digits)).scaleb(-digits))

    def quantity(self) -> str:
        """A size, not 0."""
        return self.random.choice(["1", "2.5", "10", "7", "19.75", "50", "0.3"])
