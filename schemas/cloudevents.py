"""Usage as a CloudEvents 1.0 event in JSON (structured mode).

| attribute | usage |
|---|---|
| `specversion` | is `1.0` |
| `id`, `source`, `type` | the same |
| `time` | when it occurred: RFC 3339 with its offset; what is finer than a microsecond is cut off |
| `subject` | the customer |
| `tenantid`, `subscriptionid` | extensions: the tenant, and the subscription where it is given |
| `data` | its properties: strings, numbers as the decimals they are written as, `true` and `false`; null is none |

Other attributes are left alone, as the specification asks.
"""

import re
from typing import Final

import msgspec

from billing.entry import Usage
from billing.instant import micros, parse_instant
from schemas.errors import UndecodableRecord

MAX_SIZE_BYTES: Final = 1 << 20
_JSON_TYPE: Final = re.compile(r"application/(?:[a-z0-9.+-]*\+)?json(?:\s*;.*)?", re.IGNORECASE)
_ABSENT: Final = msgspec.Raw(b"")
_LONGEST_SHOWN: Final = 60
_UNREADABLE: Final = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


class _Event(msgspec.Struct):
    """The attributes that matter, each still as its JSON text: numbers never become floats on the way."""

    specversion: msgspec.Raw = _ABSENT
    id: msgspec.Raw = _ABSENT
    source: msgspec.Raw = _ABSENT
    type: msgspec.Raw = _ABSENT
    time: msgspec.Raw = _ABSENT
    subject: msgspec.Raw = _ABSENT
    tenantid: msgspec.Raw = _ABSENT
    subscriptionid: msgspec.Raw = _ABSENT
    datacontenttype: msgspec.Raw = _ABSENT
    data: msgspec.Raw = _ABSENT


_event: Final = msgspec.json.Decoder(_Event).decode
_text: Final = msgspec.json.Decoder(str).decode
_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def parse(payload: bytes) -> Usage:
    """Returns the usage in an event; `schemas.limits.validated` then says whether it is acceptable.

    Raises:
        UndecodableRecord: `malformed-json`, `too-large`, or `missing-…` and `invalid-…` with the attribute's name.
    """
    if len(payload) > MAX_SIZE_BYTES:
        raise UndecodableRecord("too-large", f"{len(payload)} bytes, at most {MAX_SIZE_BYTES} are read")
    try:
        event = _event(payload)
    except _UNREADABLE as error:
        raise UndecodableRecord("malformed-json", f"no JSON object of an event: {error!s:.200}") from None
    version = _required("specversion", event.specversion)
    if version != "1.0":
        raise UndecodableRecord("invalid-specversion", f"{version[:_LONGEST_SHOWN]!r}; only '1.0' is read")
    content_type = _optional("datacontenttype", event.datacontenttype)
    if content_type is not None and _JSON_TYPE.fullmatch(content_type) is None:
        raise UndecodableRecord("invalid-datacontenttype", f"{content_type[:_LONGEST_SHOWN]!r}; the data is JSON")
    return Usage(
        tenant=_required("tenantid", event.tenantid),
        customer=_required("subject", event.subject),
        id=_required("id", event.id),
        source=_required("source", event.source),
        type=_required("type", event.type),
        occurred_at_us=_instant(_required("time", event.time)),
        properties=_properties(event.data),
        subscription=_optional("subscriptionid", event.subscriptionid),
    )


def _required(attribute: str, raw: msgspec.Raw) -> str:
    text = _optional(attribute, raw)
    if not text:
        raise UndecodableRecord(f"missing-{attribute}", f"an event has a {attribute}, a string that is not empty")
    return text


def _optional(attribute: str, raw: msgspec.Raw) -> str | None:
    if _is_absent(raw):
        return None
    try:
        return _text(raw)
    except _UNREADABLE as error:
        raise UndecodableRecord(f"invalid-{attribute}", f"{attribute} is a string: {error!s:.200}") from None


def _is_absent(raw: msgspec.Raw) -> bool:
    return bytes(raw) in {b"", b"null"}


def _instant(text: str) -> int:
    try:
        return micros(parse_instant(text))
    except ValueError as error:
        raise UndecodableRecord("invalid-time", str(error)) from None


def _properties(raw: msgspec.Raw) -> dict[str, str]:
    if _is_absent(raw):
        return {}
    try:
        return {name: _property(name, value) for name, value in _object(raw).items() if not _is_absent(value)}
    except _UNREADABLE as error:
        raise UndecodableRecord("invalid-data", f"data is an object of properties: {error!s:.200}") from None


def _property(name: str, raw: msgspec.Raw) -> str:
    """Returns a property as text: a number as it is written, so no digit of it is lost."""
    written = bytes(raw)
    match written[:1]:
        case b'"':
            return _text(raw)
        case b"{" | b"[":
            raise UndecodableRecord("invalid-data", f"{name[:_LONGEST_SHOWN]!r} holds other values; send it flat")
        case _:
            return written.decode("ascii")
