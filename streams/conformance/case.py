"""Cases as their files write them: strict, so that a misspelt field fails instead of passing unseen."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, TypeAlias

import msgspec
import yaml

from streams.conformance.expected import MeterExpected, PeriodExpected, PriceExpected, StoryExpected

Definition: TypeAlias = dict[str, Any]
"""A price, a meter or a coupon as written; `billing` parses it, and refuses what it does not know."""


class InvalidCase(Exception):
    """A file, or a case of it, that cannot be read; the text names the file, the case and the field."""


class _Strict(msgspec.Struct, forbid_unknown_fields=True):
    """Refuses unknown fields."""


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


class MeterCase(_Strict, kw_only=True):
    """The events of one window in order of arrival, and the quantity that they make."""

    name: str
    meter: Definition
    window: tuple[datetime, datetime]
    events: list[MeterEvent] = []
    carried: str | None = None
    expect: MeterExpected


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
    coupons: list[Definition] = []


class Subscribe(_Strict):
    """A subscription starts."""

    subscription: str
    customer: str
    plan: str
    anchor: Literal["subscription", "calendar"] = "subscription"
    trial_end: datetime | None = None
    coupons: list[str] = []


class ReportUsage(_Strict):
    """Usage arrives; `timestamp` is when it occurred, where that was not on arrival.

    It is for one subscription, or for every one of the customer.
    """

    id: str
    customer: str
    event: str
    subscription: str | None = None
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


class Pause(_Strict):
    """Nothing is measured or owed from now on."""

    subscription: str


class Resume(_Strict):
    """Measured and owed again, from now on."""

    subscription: str


class ChangeQuantity(_Strict):
    """Another quantity of a recurring price, now."""

    subscription: str
    price: str
    quantity: str


class AddCharge(_Strict, kw_only=True):
    """One more thing that is owed: on the next invoice, or on one at once."""

    subscription: str
    code: str
    amount: str
    quantity: str = "1"
    taxable: bool = True
    at_once: bool = False


class ApplyCoupon(_Strict):
    """A coupon of the catalog is in force, from now on."""

    subscription: str
    coupon: str


class RemoveCoupon(_Strict):
    """A coupon is in force no more, from now on."""

    subscription: str
    coupon: str


class ChangeZone(_Strict):
    """Another zone of the tenant, for all that runs and all that starts later."""

    timezone: str


Action: TypeAlias = (
    Subscribe
    | ReportUsage
    | VoidUsage
    | ChangePlan
    | Cancel
    | GrantCredit
    | Pause
    | Resume
    | ChangeQuantity
    | AddCharge
    | ApplyCoupon
    | RemoveCoupon
    | ChangeZone
)


class Moment(_Strict):
    """An entry of the timeline: what arrives at `at`, and what fell due by then happens before it."""

    at: datetime
    subscribe: Subscribe | None = None
    usage: ReportUsage | None = None
    void_usage: VoidUsage | None = None
    change_plan: ChangePlan | None = None
    cancel: Cancel | None = None
    grant_credit: GrantCredit | None = None
    pause: Pause | None = None
    resume: Resume | None = None
    change_quantity: ChangeQuantity | None = None
    add_charge: AddCharge | None = None
    apply_coupon: ApplyCoupon | None = None
    remove_coupon: RemoveCoupon | None = None
    change_zone: ChangeZone | None = None

    def __post_init__(self) -> None:
        if len(self._actions()) > 1:
            raise ValueError(f"an entry has at most one of {', '.join(_action_fields(self))}")

    @property
    def action(self) -> Action | None:
        """What arrives; None where only time passes."""
        return next(iter(self._actions()), None)

    def _actions(self) -> list[Action]:
        return [action for name in _action_fields(self) if (action := getattr(self, name)) is not None]


def _action_fields(moment: Moment) -> tuple[str, ...]:
    return moment.__struct_fields__[1:]


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
    except OSError as error:
        raise InvalidCase(f"{path}: cannot be read: {error.strerror}") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InvalidCase(f"{line}: cannot be read, is no YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidCase(f"{path}: cannot be read, is no YAML: {str(error).splitlines()[0]}") from None
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
