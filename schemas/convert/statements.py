"""What rating says: statements with their lines, and running totals."""

from datetime import datetime

from billing.instant import micros
from billing.statement import Line, LineKind, Statement, Total
from schemas import records
from schemas.convert.instants import written


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
        tzdata=record.tzdata,
        refusal=record.refusal,
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
        issued_at=written(statement.issued_at_us),
        command_id=statement.command_id,
        correlation_id=statement.correlation_id,
        journal_partition=journal_partition,
        journal_offset=statement.position,
        lines=tuple(_from_line(line) for line in statement.lines),
        tzdata=statement.tzdata,
        refusal=statement.refusal,
    )


def total_from_domain(total: Total, *, as_of: datetime) -> records.UsageTotal:
    """Returns the record that writes a running total as it was flushed at `as_of`."""
    return records.UsageTotal(
        tenant_id=total.tenant,
        customer_id=total.customer,
        subscription_id=total.subscription,
        price=total.price,
        line_group=total.group,
        period_start=written(total.period_start_us),
        period_end=written(total.period_end_us),
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
        discount_minor=record.discount_minor,
        events_digest=record.events_digest,
    )


def _from_line(line: Line) -> records.Line:
    return records.Line(
        kind=records.LineKind(line.kind),
        price=line.price,
        line_group=line.group,
        quantity=line.quantity,
        amount_minor=line.amount_minor,
        period_start=written(line.period_start_us),
        period_end=written(line.period_end_us),
        taxable=line.taxable,
        events=line.events,
        discount_minor=line.discount_minor,
        events_digest=line.events_digest,
    )
