"""What a script is made of: each step is one thing that is asked of the system, named without knowing any server."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from tests.faults.history.log import Content
from tests.oracle.random_catalog import Made


class Form(StrEnum):
    """How usage is written."""

    AVRO = "avro"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Send:
    """A usage record.

    `plant` names the poison that its bytes or its content are made into, and `reason` the dead letter that follows.
    `producer` is the place of the producer that sends it; `keyed` whether its account chooses the partition.
    """

    tenant: str
    content: Content
    form: Form
    producer: int
    keyed: bool
    plant: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Apply:
    """A tenant of an apply file becomes true; `settle` waits until what it starts is invoiced."""

    tenant: str
    at: datetime
    document: Made
    settle: bool = False
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Clock:
    """The tenant's clock moves."""

    tenant: str
    at: datetime
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """`pause`, `resume` or `cancel` of a subscription at the clock's instant; `settle` as in `Apply`."""

    tenant: str
    at: datetime
    name: str
    subscription: str
    twice: bool = False
    settle: bool = False


@dataclass(frozen=True, slots=True)
class Void:
    """Usage is taken back."""

    tenant: str
    at: datetime
    customer: str
    id: str
    source: str
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Prepaid money for a customer."""

    tenant: str
    at: datetime
    customer: str
    id: str
    amount: str
    twice: bool = False


Step: TypeAlias = Send | Apply | Clock | Command | Void | Grant
