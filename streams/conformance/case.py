"""Cases as their files write them: strict, so that a misspelt field fails instead of passing unseen."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

import msgspec
import yaml

Definition: TypeAlias = dict[str, Any]
"""A price or a meter as written; `billing` parses it, and refuses what it does not know."""


class InvalidCase(Exception):
    """A file, or a case of it, that cannot be read; the text names the file, the case and the field."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Refuses unknown fields."""


class PriceExpected(_Strict):
    """The amount of the line."""

    amount: str


class PriceCase(_Strict, kw_only=True):
    """One price, one quantity, one line amount."""

    name: str
    currency: str
    price: Definition
    quantity: str | None = None
    events: list[str] | None = None
    already_billed_quantity: str | None = None
    expect: PriceExpected


class MeterEvent(_Strict):
    """One event, in order of arrival."""

    id: str
    timestamp: datetime
    properties: dict[str, str] = {}


class MeterExpected(_Strict):
    """The quantity of the window."""

    quantity: str


class MeterCase(_Strict, kw_only=True):
    """The events of one window in order of arrival, and the quantity that they make."""

    name: str
    meter: Definition
    window: tuple[datetime, datetime]
    events: list[MeterEvent] = []
    carried: str | None = None
    expect: MeterExpected


class PeriodExpected(_Strict):
    """The bounds of the period."""

    start: datetime | None = None
    end: datetime | None = None


class PeriodCase(_Strict):
    """The n-th period from an anchor."""

    name: str
    anchor: datetime
    billing_period: str
    timezone: str
    index: int
    expect: PeriodExpected


class Tenant(_Strict):
    """What every subscription of the story has in common."""

    currency: str
    timezone: str = "UTC"
    tax_percent: str = "0"


class Plan(_Strict):
    """A plan and its prices, in the order of the lines."""

    code: str
    billing_period: str
    prices: list[Definition] = []


class Catalog(_Strict):
    """What is sold."""

    meters: list[Definition] = []
    plans: list[Plan] = []


class Subscribe(_Strict):
    """A subscription starts."""

    subscription: str
    customer: str
    plan: str
    anchor: Literal["subscription", "calendar"] = "subscription"


class ReportUsage(_Strict):
    """Usage arrives; `timestamp` is when it occurred, where that was not on arrival."""

    id: str
    customer: str
    event: str
    timestamp: datetime | None = None
    properties: dict[str, str] = {}


class VoidUsage(_Strict):
    """Earlier usage is taken back."""

    id: str
    customer: str


class ChangePlan(_Strict):
    """Another plan, now."""

    subscription: str
    plan: str


class Cancel(_Strict):
    """The end, now."""

    subscription: str


class GrantCredit(_Strict):
    """Prepaid money; the lower priority burns first."""

    customer: str
    amount: str
    priority: int = 0
    expires: datetime | None = None


Action: TypeAlias = Subscribe | ReportUsage | VoidUsage | ChangePlan | Cancel | GrantCredit


class Moment(_Strict):
    """An entry of the timeline: what arrives at `at`, and what fell due by then happens before it."""

    at: datetime
    subscribe: Subscribe | None = None
    usage: ReportUsage | None = None
    void_usage: VoidUsage | None = None
    change_plan: ChangePlan | None = None
    cancel: Cancel | None = None
    grant_credit: GrantCredit | None = None

    def __post_init__(self) -> None:
        if len(self._actions()) > 1:
            raise ValueError(
                "an entry has at most one of subscribe, usage, void_usage, change_plan, cancel, grant_credit"
            )

    @property
    def action(self) -> Action | None:
        """What arrives; None where only time passes."""
        return next(iter(self._actions()), None)

    def _actions(self) -> list[Action]:
        named = (self.subscribe, self.usage, self.void_usage, self.change_plan, self.cancel, self.grant_credit)
        return [action for action in named if action is not None]


class LineExpected(_Strict):
    """What is expected of a line."""

    price: str | None = None
    group: dict[str, str] | None = None
    quantity: str | None = None
    amount: str | None = None
    start: datetime | None = None
    end: datetime | None = None
    adjustment: bool | None = None


class InvoiceExpected(_Strict):
    """What is expected of an invoice."""

    customer: str | None = None
    subscription: str | None = None
    issued_at: datetime | None = None
    subtotal: str | None = None
    tax: str | None = None
    total: str | None = None
    credit_applied: str | None = None
    amount_due: str | None = None
    lines: list[LineExpected] | None = None


class StoryExpected(_Strict):
    """Invoices in the order of issue, and the credit that is left."""

    invoices: list[InvoiceExpected] | None = None
    credit: dict[str, str] | None = None


class Scenario(_Strict):
    """A whole story and the invoices that it must end in."""

    name: str
    tenant: Tenant
    catalog: Catalog
    timeline: list[Moment]
    expect: StoryExpected


Case: TypeAlias = PriceCase | MeterCase | PeriodCase | Scenario
_KINDS: Final[Mapping[str, type[PriceCase | MeterCase | PeriodCase | Scenario]]] = {
    "price": PriceCase,
    "meter": MeterCase,
    "period": PeriodCase,
    "scenario": Scenario,
}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # the C parser is there or not
    """Leaves instants as they are written: YAML's own would lose their zone."""

    yaml_implicit_resolvers: ClassVar[dict[str, Any]] = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def read_file(path: Path) -> list[Case]:
    """Returns the cases of a file.

    Raises:
        InvalidCase: no such file, no YAML, an unknown kind or field, or a value of another type.
    """
    try:
        with path.open("rb") as file:
            content = yaml.load(file, _Loader)  # noqa: S506 - _Loader is a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise InvalidCase(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict) or set(content) != {"kind", "cases"} or not isinstance(content["cases"], list):
        raise InvalidCase(f"{path}: a file has the fields kind and cases (a list), nothing else")
    shape = _KINDS.get(content["kind"]) if isinstance(content["kind"], str) else None
    if shape is None:
        raise InvalidCase(f"{path}: kind is {content['kind']!r}; allowed are {', '.join(_KINDS)}")
    return [_case(raw, shape, f"{path}: case {number}") for number, raw in enumerate(content["cases"], 1)]


def _case(raw: object, shape: type[Case], where: str) -> Case:
    name = raw.get("name") if isinstance(raw, dict) else None
    try:
        return msgspec.convert(raw, shape)
    except msgspec.ValidationError as error:
        raise InvalidCase(f"{where}{f' ({name})' if name else ''}: {error}") from None
