"""Connections to PostgreSQL: small pools, each of one role, whose sessions begin the same everywhere."""

from enum import StrEnum
from typing import Any, Final, TypeAlias

from psycopg import AsyncConnection, ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.types.string import TextLoader
from psycopg_pool import AsyncConnectionPool

Connection: TypeAlias = AsyncConnection[Any]
Pool: TypeAlias = AsyncConnectionPool[AsyncConnection[Any]]

_CONNECT_TIMEOUT_S: Final = 5
_CHECKOUT_TIMEOUT_S: Final = 30.0
_IDLE_IN_TRANSACTION_S: Final = 60
_KEEPALIVES: Final = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}  # a cut line: 25 s


class Role(StrEnum):
    """Whose rights a connection has, whoever logged in."""

    API = "beaas_api"
    """One tenant: the one of its unit of work."""
    SERVICE = "beaas_service"
    """All tenants: workers, relay, scheduler; never behind HTTP."""


class BadPostgresUrl(Exception):
    """The address can't be read; its text is never repeated, as it holds a password."""


def open_pool(url: str, role: Role, *, application_name: str, size: int = 4, statement_timeout_s: float = 30.0) -> Pool:
    """Returns a pool for `async with`: up to `size` connections of the role, in UTC, and jsonb read as text.

    Args:
        url: who logs in; must be a member of the role, as the login that migrates is.
        role: what the connections may do.
        application_name: how the server's activity shows them.
        size: connections at most; one is kept open.
        statement_timeout_s: after this time the server ends a statement.

    Raises:
        BadPostgresUrl: the address can't be read.
    """
    return AsyncConnectionPool(
        session_conninfo(url, role, statement_timeout_s=statement_timeout_s),
        kwargs={"application_name": application_name, "connect_timeout": _CONNECT_TIMEOUT_S, **_KEEPALIVES},
        connection_class=AsyncConnection[Any],
        configure=_configure,
        min_size=1,
        max_size=size,
        timeout=_CHECKOUT_TIMEOUT_S,
        open=False,
        name=application_name,
    )


def session_conninfo(url: str, role: Role, *, statement_timeout_s: float) -> str:
    """Returns the address with the settings every session of the role begins with; it holds the password.

    Raises:
        BadPostgresUrl: the address can't be read.
    """
    settings = {
        "role": role.value,
        "timezone": "UTC",
        "statement_timeout": str(round(statement_timeout_s * 1000)),
        "idle_in_transaction_session_timeout": str(_IDLE_IN_TRANSACTION_S * 1000),
    }
    try:
        given = conninfo_to_dict(url).get("options", "")
        options = " ".join([str(given), *(f"-c {name}={value}" for name, value in settings.items())]).strip()
        return make_conninfo(url, options=options)
    except ProgrammingError:
        raise BadPostgresUrl("give BEAAS_POSTGRES_URL as postgresql://USER:PASSWORD@HOST:PORT/DATABASE") from None


async def _configure(connection: Connection) -> None:
    # psycopg would parse it into dicts of anything, and its numbers into floats: whoever knows the shape decodes it.
    connection.adapters.register_loader("jsonb", TextLoader)
