"""Registers our schemas, looks up their ids, and fetches the schemas of other writers."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import urlsplit

from connectors.registry.errors import RegistryError, RegistryUnavailable, SchemaRefused, SchemasMissing
from schemas import topics
from schemas.compatibility import incompatibilities
from schemas.files import schema_text

if TYPE_CHECKING:
    from types import TracebackType

    from confluent_kafka.schema_registry import Schema
    from confluent_kafka.schema_registry.error import SchemaRegistryError

COMPATIBILITY: Final = "BACKWARD_TRANSITIVE"
_TIMEOUT_S: Final = 5.0
_RETRIES: Final = 3
_FIRST_WAIT_MS: Final = 200
_LONGEST_WAIT_MS: Final = 1000


class Registry:
    """A registry at `url`, with bounded time-outs and retries; it is a `schemas.codec.SchemaSource`.

    Every method raises `RegistryUnavailable` where it does not answer. A context manager, which closes its connections.
    """

    def __init__(self, url: str, *, timeout_s: float = _TIMEOUT_S, retries: int = _RETRIES) -> None:
        # Imported late: it takes a second, and only what talks to a registry should wait for it.
        from confluent_kafka.schema_registry import SchemaRegistryClient  # noqa: PLC0415

        self._shown = _without_credentials(url)
        with self._translated("its address"):
            self._client = SchemaRegistryClient(
                {
                    "url": url,
                    "timeout": timeout_s,
                    "max.retries": retries,
                    "retries.wait.ms": _FIRST_WAIT_MS,
                    "retries.max.wait.ms": _LONGEST_WAIT_MS,
                },
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: "TracebackType | None"
    ) -> None:
        self._client.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]

    def register(self, subject: str, text: str) -> int:
        """Returns the id of a schema that is now a version of its subject; a repeat changes nothing.

        The subject takes only compatible versions from now on, whatever the registry's default.

        Raises:
            SchemaRefused: a version that is registered already is not compatible with it.
        """
        with self._translated(f"registering {subject}"):
            known = self._versions(subject)
            for version, registered in known:
                problems = incompatibilities(text, registered)
                if problems:
                    raise SchemaRefused(f"{subject} version {version} would be misread: {'; '.join(problems)}")
            if known:
                self._client.set_compatibility(subject, level=COMPATIBILITY)
            schema_id = self._client.register_schema(subject, _avro(text))
            if not known:
                self._client.set_compatibility(subject, level=COMPATIBILITY)
            return schema_id

    def lookup(self, subject: str, text: str) -> int | None:
        """Returns the id of a schema under a subject, or None where it is not registered there."""
        with self._translated(f"looking up {subject}"):
            try:
                found = self._client.lookup_schema(subject, _avro(text))
            except _refusals() as refusal:
                _expect_missing(refusal)
                return None
            return found.schema_id

    def schema(self, schema_id: int) -> str | None:
        """Returns a schema's text by its id, or None where none has it; the client remembers a thousand of them."""
        with self._translated(f"fetching schema {schema_id}"):
            try:
                return self._client.get_schema(schema_id).schema_str
            except _refusals() as refusal:
                _expect_missing(refusal)
                return None

    def _versions(self, subject: str) -> list[tuple[int, str]]:
        try:
            versions = self._client.get_versions(subject)
        except _refusals() as refusal:
            _expect_missing(refusal)
            return []
        return [(version, self._client.get_version(subject, version).schema.schema_str or "") for version in versions]

    @contextmanager
    def _translated(self, doing: str) -> Iterator[None]:
        """The one place where the client's errors, of three libraries, become ours."""
        try:
            yield
        except RegistryError:
            raise
        except _refusals() as refusal:
            if refusal.http_status_code == HTTPStatus.CONFLICT:
                raise SchemaRefused(f"{doing}: {refusal.error_message}") from None
            raise RegistryUnavailable(f"registry {self._shown}, {doing}: {refusal}") from refusal
        except Exception as error:
            detail = f"{type(error).__name__} {error}"
            raise RegistryUnavailable(
                f"registry {self._shown}, {doing}: {detail}; check BEAAS_SCHEMA_REGISTRY_URL"
            ) from error


def register_all(url: str, prefix: str) -> dict[str, int]:
    """Returns the id of every subject, having registered what was missing; a repeat changes nothing.

    Raises:
        RegistryUnavailable: the registry does not answer.
        SchemaRefused: a registered version is not compatible with ours.
    """
    with Registry(url) as registry:
        return {
            subject: registry.register(subject, schema_text(record))
            for subject, record in topics.subjects(prefix).items()
        }


def lookup_ids(url: str, prefix: str) -> dict[str, int]:
    """Returns the id of every subject and registers nothing: what a running process writes with.

    Raises:
        RegistryUnavailable: the registry does not answer.
        SchemasMissing: some are not registered in the version that this process writes.
    """
    with Registry(url) as registry:
        found = {
            subject: registry.lookup(subject, schema_text(record))
            for subject, record in topics.subjects(prefix).items()
        }
    ids = {subject: schema_id for subject, schema_id in found.items() if schema_id is not None}
    missing = sorted(found.keys() - ids.keys())
    if missing:
        shown = _without_credentials(url)
        raise SchemasMissing(f"registry {shown} lacks {', '.join(missing)}: run `beaas schemas register`")
    return ids


def _avro(text: str) -> "Schema":
    from confluent_kafka.schema_registry import Schema  # noqa: PLC0415 - as above

    return Schema(text, schema_type="AVRO")


def _refusals() -> "type[SchemaRegistryError]":
    from confluent_kafka.schema_registry.error import SchemaRegistryError  # noqa: PLC0415 - as above

    return SchemaRegistryError


def _expect_missing(refusal: "SchemaRegistryError") -> None:
    if refusal.http_status_code != HTTPStatus.NOT_FOUND:
        raise refusal


def _without_credentials(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
