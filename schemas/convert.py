"""Wire to domain and back: the one place that knows both."""

import json
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, NoReturn, TypeAlias, assert_never

from billing import entry as domain
from billing.entry import Entry, Usage
from billing.instant import instant, micros
from billing.statement import Line, LineKind, Statement, Total
from schemas import records
from schemas.errors import UndecodableRecord, Unencodable
from schemas.wire import Record

Definitions: TypeAlias = tuple[dict[str, object], ...]
"""Meters or prices as the catalogue wrote them."""

CommandRecord: TypeAlias = (
    records.SubscriptionStarted
    | records.PlanChanged
    | records.SubscriptionPaused
    | records.SubscriptionResumed
    | records.SubscriptionCanceled
    | records.CycleClosed
)

Moment: TypeAlias = (
    domain.SubscriptionPaused | domain.SubscriptionResumed | domain.SubscriptionCanceled | domain.CycleClosed
)
"""A command that says no more than when."""

_MOMENTS: Final[Mapping[type[Record], type[Moment]]] = MappingProxyType(
    {
        records.SubscriptionPaused: domain.SubscriptionPaused,
        records.SubscriptionResumed: domain.SubscriptionResumed,
        records.SubscriptionCanceled: domain.SubscriptionCanceled,
        records.CycleClosed: domain.CycleClosed,
    },
)
_MOMENT_RECORDS: Final[Mapping[type[Moment], type[Record]]] = MappingProxyType(
    {moment: record for record, moment in _MOMENTS.items()},
)


def entry_to_domain(record: Record) -> Entry:
    """Returns the journal entry that a record of the journal is.

    Raises:
        UndecodableRecord: it is no journal record, or a definition in its terms is no JSON.
    """
    match record:
        case records.UsageRecorded():
            return usage_to_domain(record)
        case records.UsageVoided():
            return domain.UsageVoided(
                command_id=record.command_id,
                tenant=record.tenant_id,
                customer=record.customer_id,
                source=record.source,
                id=record.id,
                at_us=micros(record.at),
            )
        case records.SubscriptionStarted():
            trial_end = record.trial_end
            return domain.SubscriptionStarted(
                **_command(record),
                anchor_us=micros(record.anchor),
                terms=terms_to_domain(record.terms),
                trial_end_us=None if trial_end is None else micros(trial_end),
            )
        case records.PlanChanged():
            return domain.PlanChanged(**_command(record), terms=terms_to_domain(record.terms))
        case (
            records.SubscriptionPaused()
            | records.SubscriptionResumed()
            | records.SubscriptionCanceled()
            | records.CycleClosed()
        ):
            return _MOMENTS[type(record)](**_command(record))
        case _:
            raise UndecodableRecord("wrong-record", f"{record.FULL_NAME} is no entry of the journal")


def entry_from_domain(entry: Entry) -> Record:
    """Returns the record that writes a journal entry; a voided event's `original` is not written.

    Raises:
        Unencodable: an instant beyond the years 1 to 9999.
    """
    match entry:
        case domain.Usage():
            return usage_from_domain(entry)
        case domain.UsageVoided():
            return records.UsageVoided(
                command_id=entry.command_id,
                tenant_id=entry.tenant,
                customer_id=entry.customer,
                source=entry.source,
                id=entry.id,
                at=_instant(entry.at_us),
            )
        case domain.SubscriptionStarted():
            trial_end = entry.trial_end_us
            return records.SubscriptionStarted(
                **_fields(entry),
                anchor=_instant(entry.anchor_us),
                terms=terms_from_domain(entry.terms),
                trial_end=None if trial_end is None else _instant(trial_end),
            )
        case domain.PlanChanged():
            return records.PlanChanged(**_fields(entry), terms=terms_from_domain(entry.terms))
        case (
            domain.SubscriptionPaused()
            | domain.SubscriptionResumed()
            | domain.SubscriptionCanceled()
            | domain.CycleClosed()
        ):
            return _MOMENT_RECORDS[type(entry)](**_fields(entry))
        case _:
            assert_never(entry)


def usage_to_domain(record: records.UsageRecorded) -> Usage:
    """Returns the usage that a record is."""
    return Usage(
        tenant=record.tenant_id,
        customer=record.customer_id,
        id=record.id,
        source=record.source,
        type=record.type,
        occurred_at_us=micros(record.occurred_at),
        properties=record.properties,
        subscription=record.subscription_id,
    )


def usage_from_domain(usage: Usage) -> records.UsageRecorded:
    """Returns the record that writes usage; `Codec.encode_usage` needs none and is five times as fast."""
    return records.UsageRecorded(
        tenant_id=usage.tenant,
        customer_id=usage.customer,
        id=usage.id,
        source=usage.source,
        type=usage.type,
        occurred_at=_instant(usage.occurred_at_us),
        properties=usage.properties,
        subscription_id=usage.subscription,
    )


def terms_to_domain(record: records.Terms) -> domain.Terms:
    """Returns terms with their definitions parsed."""
    return domain.Terms(
        plan=record.plan,
        plan_version=record.plan_version,
        billing_period=record.billing_period,
        currency=record.currency,
        timezone=record.timezone,
        tax_percent=record.tax_percent,
        meters=definitions(record.meters, "terms.meters"),
        prices=definitions(record.prices, "terms.prices"),
    )


def terms_from_domain(terms: domain.Terms) -> records.Terms:
    """Returns the record that writes terms."""
    return records.Terms(
        plan=terms.plan,
        plan_version=terms.plan_version,
        billing_period=terms.billing_period,
        currency=terms.currency,
        timezone=terms.timezone,
        tax_percent=terms.tax_percent,
        meters=definitions_text(terms.meters),
        prices=definitions_text(terms.prices),
    )


def definitions(text: str, field: str) -> Definitions:
    """Returns the objects of a JSON array; a number with a fraction becomes the string that it is written as.

    Raises:
        UndecodableRecord: `malformed`: it is no JSON array of objects, or a number in it is no decimal.
    """
    try:
        parsed = json.loads(text, parse_float=str, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UndecodableRecord("malformed", f"{field} is no JSON: {error!s:.200}") from None
    if not isinstance(parsed, list) or not all(isinstance(item, dict) for item in parsed):
        raise UndecodableRecord("malformed", f"{field} is no JSON array of objects")
    return tuple(parsed)


def definitions_text(definitions: Definitions) -> str:
    """Returns the JSON array of definitions.

    Raises:
        Unencodable: one holds a float or what JSON has no word for; decimals are written as strings.
    """
    for definition in definitions:
        _refuse_floats(definition)
    try:
        return json.dumps(definitions, ensure_ascii=False, separators=(",", ":"))
    except TypeError as error:
        raise Unencodable(f"a definition can't be written as JSON: {error}") from error


def statement_to_domain(record: records.StatementClosed) -> Statement:
    """Returns the statement that a record is; its journal partition stays with the record."""
    return Statement(
        statement_id=record.statement_id,
        tenant=record.tenant_id,
        customer=record.customer_id,
        subscription=record.subscription_id,
        plan=record.plan,
        plan_version=record.plan_version,
        currency=record.currency,
        timezone=record.timezone,
        tax_percent=record.tax_percent,
        issued_at_us=micros(record.issued_at),
        command_id=record.command_id,
        correlation_id=record.correlation_id,
        position=record.journal_offset,
        lines=tuple(_line(line) for line in record.lines),
    )


def statement_from_domain(statement: Statement, *, journal_partition: int) -> records.StatementClosed:
    """Returns the record that writes a statement of an account that lives in this partition."""
    return records.StatementClosed(
        statement_id=statement.statement_id,
        tenant_id=statement.tenant,
        customer_id=statement.customer,
        subscription_id=statement.subscription,
        plan=statement.plan,
        plan_version=statement.plan_version,
        currency=statement.currency,
        timezone=statement.timezone,
        tax_percent=statement.tax_percent,
        issued_at=_instant(statement.issued_at_us),
        command_id=statement.command_id,
        correlation_id=statement.correlation_id,
        journal_partition=journal_partition,
        journal_offset=statement.position,
        lines=tuple(_from_line(line) for line in statement.lines),
    )


def total_from_domain(total: Total, *, as_of: datetime) -> records.UsageTotal:
    """Returns the record that writes a running total as it was flushed at `as_of`."""
    return records.UsageTotal(
        tenant_id=total.tenant,
        customer_id=total.customer,
        subscription_id=total.subscription,
        price=total.price,
        line_group=total.group,
        period_start=_instant(total.period_start_us),
        period_end=_instant(total.period_end_us),
        quantity=total.quantity,
        amount_minor=total.amount_minor,
        currency=total.currency,
        journal_position=total.position,
        as_of=as_of,
    )


def _line(record: records.Line) -> Line:
    return Line(
        kind=LineKind(record.kind),
        price=record.price,
        group=record.line_group,
        quantity=record.quantity,
        amount_minor=record.amount_minor,
        period_start_us=micros(record.period_start),
        period_end_us=micros(record.period_end),
        taxable=record.taxable,
        events=record.events,
    )


def _from_line(line: Line) -> records.Line:
    return records.Line(
        kind=records.LineKind(line.kind),
        price=line.price,
        line_group=line.group,
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        period_start=_instant(line.period_start_us),
        period_end=_instant(line.period_end_us),
        taxable=line.taxable,
        events=line.events,
    )


def _command(record: CommandRecord) -> dict[str, Any]:
    return {
        "command_id": record.command_id,
        "tenant": record.tenant_id,
        "customer": record.customer_id,
        "subscription": record.subscription_id,
        "at_us": micros(record.at),
        "correlation_id": record.correlation_id,
    }


def _fields(command: domain.Command) -> dict[str, Any]:
    return {
        "command_id": command.command_id,
        "tenant_id": command.tenant,
        "customer_id": command.customer,
        "subscription_id": command.subscription,
        "at": _instant(command.at_us),
        "correlation_id": command.correlation_id,
    }


def _instant(us: int) -> datetime:
    try:
        return instant(us)
    except OverflowError:
        raise Unencodable(f"{us} microseconds since 1970 lie beyond the years 1 to 9999") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no decimal")


def _refuse_floats(value: object) -> None:
    match value:
        case float():
            raise Unencodable(f"a definition holds the float {value!r}; write decimals as strings")
        case dict():
            for item in value.values():
                _refuse_floats(item)
        case list() | tuple():
            for item in value:
                _refuse_floats(item)
        case _:
            return
