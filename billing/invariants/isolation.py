"""I11: nothing of a tenant can be seen by another."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias, assert_never

from billing.invariants.finding import Finding

SHARED: Final = frozenset({"beaas.migrations", "beaas.currencies", "beaas.placement"})
"""Tables that hold nothing of any tenant: bookkeeping, and what is the same for everybody."""


class TableFact(NamedTuple):
    """A table of ours."""

    name: str
    has_tenant: bool
    """Whether its rows name their tenant."""
    forces_security: bool
    """Whether row-level security is on, for its owner too."""


class ViewFact(NamedTuple):
    """A view of ours, or a materialized one."""

    name: str
    as_invoker: bool
    """Whether it sees what whoever asks may see, and not what its owner may."""


class FunctionFact(NamedTuple):
    """A function of ours."""

    name: str
    as_definer: bool
    """Whether it runs with its owner's rights."""


class RoleFact(NamedTuple):
    """A role that our processes work as."""

    name: str
    above_security: bool
    """Whether row-level security does not hold for it."""


class SightFact(NamedTuple):
    """What was found of tenants where one of them looked: rows, responses, log lines, labels, spans."""

    tenant: str
    """Who looked."""
    place: str
    foreign: int
    """How many of what he saw were not his."""


IsolationFact: TypeAlias = TableFact | ViewFact | FunctionFact | RoleFact | SightFact


def tenants_are_apart(facts: Iterable[IsolationFact]) -> Iterator[Finding]:
    """I11: tables force row-level security, nothing walks around it, and no tenant sees what is another's."""
    for fact in facts:
        broken, problem = _judged(fact)
        if broken:
            where = fact.place if isinstance(fact, SightFact) else fact.name
            yield Finding("I11", fact.tenant if isinstance(fact, SightFact) else "", where, problem)


def _judged(fact: IsolationFact) -> tuple[bool, str]:
    match fact:
        case TableFact(name, has_tenant, forces_security):
            lacks = "row-level security is not forced" if has_tenant else "its rows name no tenant"
            apart = name in SHARED or (has_tenant and forces_security)
            return not apart, f"{lacks}: call beaas.isolate on it in a migration"
        case ViewFact(as_invoker=as_invoker):
            return not as_invoker, "shows all tenants to each: make it WITH (security_invoker = true)"
        case FunctionFact(as_definer=as_definer):
            return as_definer, "runs with its owner's rights: make it SECURITY INVOKER"
        case RoleFact(above_security=above_security):
            return above_security, "row-level security does not hold for it: take the attribute away"
        case SightFact(foreign=foreign):
            return bool(foreign), f"{foreign} of what it sees there is not its own: close the way, then find who looked"
        case _:
            assert_never(fact)
