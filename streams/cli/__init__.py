"""The command `beaas`.

Exit status: 0 well, 1 a check failed, 2 wrong use or bad input file, 3 a server cannot be reached, 70 restart me.
Imports stand inside the commands: Kafka's and Faust's take a second that `beaas --help` need not spend.
"""

from __future__ import annotations

import asyncio
import sys
from importlib import metadata
from pathlib import Path  # noqa: TC003 - cyclopts reads the annotations when it runs
from typing import TYPE_CHECKING, Annotated, Final, Literal

from cyclopts import App, Parameter
from rich.console import Console

from billing.instant import parse_instant
from streams.cli.failures import WELL, line_of, status_of
from streams.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

app: Final = App(
    name="beaas",
    version=lambda: metadata.version("beaas"),
    help="Bills for what was used: exactly once, to the cent, and it can say why.",
)
topics_app: Final = App(name="topics", help="Kafka's topics.")
schemas_app: Final = App(name="schemas", help="The schema registry.")
clock_app: Final = App(name="clock", help="Tenants' test clocks.")
usage_app: Final = App(name="usage", help="Usage from files.")
dlq_app: Final = App(name="dlq", help="Dead letters: what could not be billed, and putting it back.")
for group in (topics_app, schemas_app, clock_app, usage_app, dlq_app):
    app.command(group)

WorkerRole = Literal["intake", "rating", "sinks"]
out: Final = Console(highlight=False, soft_wrap=True)


# Servers and roles ----------------------------------------------------------------------------------------------------


@app.command
def up(*, services_only: bool = False, data_dir: Path | None = None, fresh: bool = False) -> int:
    """Start embedded Kafka, PostgreSQL and registry, and every role; stay until SIGINT or SIGTERM.

    Args:
        services_only: start the servers and no roles.
        data_dir: where the servers keep their files; default: $BEAAS_DATA_DIR or .beaas.
        fresh: begin with an empty directory; only one that an `up` made is ever emptied.
    """
    from streams.cli.roles import run_up

    return asyncio.run(run_up(_data_dir(data_dir), services_only=services_only, fresh=fresh))


@app.command
def env(*, data_dir: Path | None = None) -> int:
    """Print `export NAME=value` lines that reach the running `up`: eval "$(beaas env)"."""
    from connectors.embedded.environment import export_lines, read_environment

    sys.stdout.write(export_lines(read_environment(_data_dir(data_dir))))
    return WELL


@app.command
def worker(role: WorkerRole, *, instance: str | None = None, data_dir: Path | None = None) -> int:
    """Run one worker of the Faust fleet until SIGTERM; status 70 means: restart me.

    Args:
        role: intake, rating or sinks.
        instance: the stable name of this worker in its group; default: the role's name and -1.
        data_dir: where its tables stand; default: $BEAAS_DATA_DIR or .beaas.
    """
    from streams.cli.roles import run_worker_role

    settings = _settings(data_dir)
    return asyncio.run(run_worker_role(settings, role, instance or f"{role}-1"))


@app.command
def relay(*, shards: str = "") -> int:
    """Carry the outbox to the bus, in commit order.

    Args:
        shards: which shards this process carries, such as 0,1; default: all.
    """
    from streams.cli.roles import run_relay_role

    settings = load_settings()
    return asyncio.run(run_relay_role(settings, _shards(shards, settings)))


@app.command
def scheduler() -> int:
    """Close what is due, and release commands once intake has passed them."""
    from streams.cli.roles import run_scheduler_role

    return asyncio.run(run_scheduler_role(load_settings()))


# Setting up -----------------------------------------------------------------------------------------------------------


@app.command
def migrate() -> int:
    """Bring PostgreSQL's tables up to date; idempotent."""
    from streams.cli.setup import migrate_postgres

    out.print(migrate_postgres(load_settings()))
    return WELL


@topics_app.command(name="create")
def topics_create(*, partitions: int | None = None) -> int:
    """Create Kafka's topics; those that exist stay as they are.

    Args:
        partitions: of each topic; default: $BEAAS_PARTITIONS.
    """
    from streams.cli.setup import create_topics

    settings = load_settings()
    if partitions is not None:
        settings = settings.model_copy(update={"partitions": partitions})
    out.print(create_topics(settings))
    return WELL


@schemas_app.command(name="register")
def schemas_register() -> int:
    """Register the schemas, with their compatibility; idempotent."""
    from streams.cli.setup import register_schemas

    out.print(register_schemas(load_settings()))
    return WELL


@app.command
def setup() -> int:
    """Migrate, create topics, register schemas: whatever is missing."""
    from streams.cli.setup import set_up

    for line in set_up(load_settings()):
        out.print(line)
    return WELL


# Working --------------------------------------------------------------------------------------------------------------


@app.command
def apply(file: Path, *, json: bool = False) -> int:
    """Make tenants, plans, coupons, customers and subscriptions be as a file says; a second time nothing changes.

    Args:
        file: YAML; docs/apply.md tells its fields.
        json: print counts for a script.
    """
    from streams.cli.commands import apply_file

    return asyncio.run(apply_file(load_settings(), file, as_json=json))


@clock_app.command(name="set")
def clock_set(tenant: str, instant: str, *, wait: bool = False, timeout: float | None = None) -> int:
    """Move a tenant's test clock forward.

    Args:
        tenant: the tenant's code.
        instant: RFC 3339 with its offset, such as 2026-02-01T00:00:00Z.
        wait: return when every cycle due by then is invoiced; exit status 1 if the journal refused a command.
        timeout: seconds to wait at most; then exit status 1.
    """
    from streams.cli.commands import move_clock

    return asyncio.run(move_clock(load_settings(), tenant, _instant(instant), wait=wait, timeout_s=timeout))


@usage_app.command(name="send")
def usage_send(
    file: Path,
    *,
    rate: float | None = None,
    map: tuple[str, ...] = (),  # noqa: A002 - the option's name
    json: bool = False,
) -> int:
    """Send usage from CSV or JSON lines (plain or .gz) to Kafka, and say how many records it acknowledged.

    Args:
        file: a header names CSV's columns; other columns than the event's own fields are properties.
        rate: records a second at most.
        map: FIELD=COLUMN where a column has another name, such as tenant_id=origin; may be repeated.
        json: print counts for a script.
    """
    from streams.cli.commands import send_file

    return send_file(load_settings(), file, rate_per_s=rate, names=_names(map), as_json=json)


@app.command
def conformance(*files: Path, pipeline: bool = False, timeout: float = 60.0) -> int:
    """Run cases in the conformance format; one line a case, exit status 1 if any failed.

    Args:
        files: YAML; tests/conformance/README.md tells the format.
        pipeline: run scenarios through the running pipeline, each as a new tenant on a test clock, and compare what the
            views of `report` say; these tenants stay. Cases of other kinds have no way through it: they run in process.
        timeout: seconds that a scenario waits at most for one thing that it gave to the pipeline; then it failed.
    """
    from streams.cli.commands import run_conformance, run_conformance_through

    if not files:
        raise WrongUse("name at least one file of cases")
    if pipeline:
        return asyncio.run(run_conformance_through(load_settings(), files, timeout_s=timeout))
    return run_conformance(files)


@app.command
def replay(*, tenant: str, customer: str | None = None, diff: bool = False, json: bool = False) -> int:
    """Fold a tenant's journal again, from its beginning, and print what it bills; status 1 if a difference is found.

    Args:
        tenant: the tenant's code.
        customer: only this customer.
        diff: compare with what was issued: statements, invoices with their ledger, and events, byte for byte.
        json: print each difference and each invoice as a line for a script.
    """
    from streams.cli.replay import run_replay

    return asyncio.run(run_replay(load_settings(), tenant, customer, diff=diff, as_json=json))


@app.command
def explain(
    number: str, line: int | None = None, *, tenant: str | None = None, events: str | None = None, json: bool = False
) -> int:
    """Tell why an invoice, or one of its lines, says what it says; status 1 if the journal says otherwise.

    Args:
        number: the invoice's number, such as INV-000012.
        line: the line's position on it; without one the whole invoice is told.
        tenant: whose invoice; needed where several tenants have the number.
        events: how many of the line's events are listed, or all; default: 20, and all with --json.
        json: print one object for a script.
    """
    from streams.cli.explain import EVENTS_SHOWN, run_explain

    shown = _events(events, None if json else EVENTS_SHOWN)
    return asyncio.run(run_explain(load_settings(), number, line, tenant=tenant, events=shown, as_json=json))


@app.command
def doctor(*, tenant: str | None = None, fast: bool = False, within: int | None = None, json: bool = False) -> int:
    """Judge the running system by every invariant and tell every lag; exit status 1 if anything is found.

    Args:
        tenant: read only this tenant's books; default: all.
        fast: read no topic from end to end.
        within: seconds that anything may be behind before it is a finding; default: 60, and 30 for the relay.
        json: print it for a script.
    """
    from streams.cli.doctor import run_doctor

    return asyncio.run(run_doctor(load_settings(), tenant=tenant, fast=fast, within_s=within, as_json=json))


# Dead letters ---------------------------------------------------------------------------------------------------------


TenantOrDash = Annotated[str, Parameter(allow_leading_hyphen=True)]
"""A tenant's code; `-` for letters whose tenant could not be read."""


@dlq_app.command(name="list")
def dlq_list(
    *,
    tenant: TenantOrDash | None = None,
    reason: str | None = None,
    since: str | None = None,
    most: int = 20,
    json: bool = False,
) -> int:
    """Count dead letters by tenant and reason, and show the newest.

    Args:
        tenant: the tenant's code; - for letters whose tenant could not be read.
        reason: such as unknown-schema; docs/dead-letters.md tells all of them.
        since: received at this instant or later, such as 2026-02-01T00:00:00Z.
        most: how many of the newest are shown.
        json: print it for a script.
    """
    from streams.cli.dlq import Selection, list_letters

    chosen = Selection(tenant, reason, None if since is None else _instant(since))
    return asyncio.run(list_letters(load_settings(), chosen, most=max(0, most), as_json=json))


@dlq_app.command(name="show")
def dlq_show(letter: str, *, json: bool = False) -> int:
    """Show all of one dead letter: why, where it stood, its bytes, and what became of it.

    Args:
        letter: its id, such as 3-1042.
        json: print it for a script, with all bytes.
    """
    from streams.cli.dlq import show_letter

    return asyncio.run(show_letter(load_settings(), letter, json=json))


@dlq_app.command(name="redrive")
def dlq_redrive(  # noqa: PLR0913 - options
    *letters: str,
    tenant: TenantOrDash | None = None,
    reason: str | None = None,
    all: bool = False,  # noqa: A002 - the option's name
    dry_run: bool = False,
    yes: bool = False,
    force: bool = False,
    value: Path | None = None,
    json: bool = False,
) -> int:
    """Put dead letters back after a fix, each exactly once, whatever crashes; exit status 1 if any was refused.

    Args:
        letters: their ids, such as 3-1042.
        tenant: in place of ids, all of a tenant; - for letters whose tenant could not be read.
        reason: in place of ids or beside --tenant, all of a reason.
        all: take 100,000 letters at most, and not 1,000.
        dry_run: only say what would be done.
        yes: do not ask.
        force: put back also what intake would refuse again, and what beaas itself wrote.
        value: a file whose bytes go back in place of the one letter's value.
        json: print it for a script.
    """
    from streams.cli.dlq import Selection
    from streams.cli.redrive import How, redrive_letters

    if letters and (tenant is not None or reason is not None or all):
        raise WrongUse("give either letters' ids, or --tenant and --reason")
    how = How(every=all, dry_run=dry_run, yes=yes, force=force, value=value, json=json)
    return redrive_letters(load_settings(), letters, Selection(tenant, reason), how)


# ----------------------------------------------------------------------------------------------------------------------


class WrongUse(Exception):
    """An argument can't be used; the text says which and what is allowed."""


def _data_dir(given: Path | None) -> Path:
    return given if given is not None else load_settings().data_dir


def _settings(data_dir: Path | None) -> Settings:
    """Settings from the environment, with another data directory where one is given."""
    if data_dir is None:
        return load_settings()
    return load_settings().model_copy(update={"data_dir": data_dir})


def _instant(text: str) -> datetime:
    try:
        return parse_instant(text)
    except ValueError as error:
        raise WrongUse(str(error)) from None


def _shards(text: str, settings: Settings) -> tuple[int, ...]:
    if not text:
        return tuple(range(settings.relay_shards))
    parts = text.split(",")
    if not all(part.isascii() and part.isdigit() and int(part) < settings.relay_shards for part in parts):
        raise WrongUse(f"--shards {text!r}: numbers from 0 to {settings.relay_shards - 1}, such as 0,1")
    return tuple(sorted({int(part) for part in parts}))


def _events(text: str | None, default: int | None) -> int | None:
    """How many events are listed; None for all of them."""
    if text is None:
        return default
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit():
        raise WrongUse(f"--events {text!r}: write a number, or all")
    return int(text)


def _names(pairs: Sequence[str]) -> Mapping[str, str]:
    names = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not equals or not column:
            raise WrongUse(f"--map {pair!r}: write FIELD=COLUMN, such as tenant_id=origin")
        names[field] = column
    return names


def main() -> None:
    """Run the command; an error that has a meaning for its reader becomes one clear line and a status."""
    try:
        sys.exit(app())
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        status = status_of(error)
        if status is None:
            raise
        sys.stderr.write(f"beaas: {line_of(error)}\n")
        sys.exit(status)
