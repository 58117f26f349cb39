"""Against a real registry, and with other people's deserialisers."""

import json
import socket
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext
from hypothesis import HealthCheck, given, settings

from connectors.embedded.cluster import EmbeddedServers
from connectors.registry.client import Registry, lookup_ids, register_all
from connectors.registry.errors import RegistryUnavailable, SchemaRefused, SchemasMissing
from schemas import topics, wire
from schemas.codec import Codec
from schemas.compatibility import incompatibilities
from schemas.errors import UndecodableRecord
from schemas.files import schema_text
from schemas.records import RECORDS
from tests.schemas.samples import FLIGHT, records_of

PREFIX = "wire-test."
CREDIT = "beaas.credit.CreditGranted"


@pytest.fixture(scope="module")
def url(servers: EmbeddedServers) -> str:
    return servers.schema_registry_url


@pytest.fixture(scope="module")
def ids(url: str) -> dict[str, int]:
    return register_all(url, PREFIX)


@pytest.fixture(scope="module")
def registry(url: str) -> Iterator[Registry]:
    with Registry(url) as opened:
        yield opened


@pytest.fixture(scope="module")
def foreign(url: str) -> Iterator[SchemaRegistryClient]:
    """The client as other people's programs use it."""
    with SchemaRegistryClient({"url": url}) as client:
        yield client


def test_registering_again_gives_the_same_ids_and_looking_up_too(url: str, ids: dict[str, int]) -> None:
    assert ids.keys() == topics.subjects(PREFIX).keys()
    assert register_all(url, PREFIX) == ids
    assert lookup_ids(url, PREFIX) == ids


def test_every_subject_refuses_incompatible_versions_by_itself(
    ids: dict[str, int], foreign: SchemaRegistryClient
) -> None:
    assert {foreign.get_compatibility(subject) for subject in ids} == {"BACKWARD_TRANSITIVE"}


def test_a_process_whose_schemas_are_not_registered_is_told_what_to_run(url: str) -> None:
    with pytest.raises(SchemasMissing, match=r"nobody\.usage-value.*run `beaas schemas register`"):
        lookup_ids(url, "nobody.")


@pytest.mark.parametrize("name", sorted(RECORDS))
def test_every_record_is_read_by_another_client_as_we_wrote_it(
    name: str, ids: dict[str, int], registry: Registry, foreign: SchemaRegistryClient
) -> None:
    codec = Codec(ids, registry, prefix=PREFIX)
    topic = next(topic for topic in topics.TOPICS if name in topic.records).full_name(PREFIX)
    deserialize = AvroDeserializer(foreign)

    @settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(record=records_of(RECORDS[name]))
    def read_by_both(record: wire.Record) -> None:
        read = deserialize(codec.encode(topic, record), SerializationContext(topic, MessageField.VALUE))
        assert as_plain(read) == as_plain(codec.decode(codec.encode(topic, record)))

    read_by_both()


def as_plain(value: object) -> object:
    """Returns records as dicts, amounts as int, collections as lists: the forms that two readers share."""
    match value:
        case wire.Record():
            return {name: as_plain(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            return {name: as_plain(item) for name, item in value.items()}
        case list() | tuple():
            return [as_plain(item) for item in value]
        case _:
            return value


def test_usage_of_another_producer_with_a_newer_schema_is_read_through_the_registry(
    ids: dict[str, int], registry: Registry, foreign: SchemaRegistryClient
) -> None:
    newer = json.loads(schema_text("beaas.usage.UsageRecorded"))
    newer["fields"].append({"name": "region", "type": "string", "default": ""})
    serialize = AvroSerializer(foreign, json.dumps(newer))
    flight = {
        "tenant_id": "EWR",
        "customer_id": "UA",
        "id": FLIGHT.id,
        "source": "flights",
        "type": FLIGHT.type,
        "occurred_at": wire.instant(FLIGHT.occurred_at_us, ""),
        "properties": FLIGHT.properties,
        "subscription_id": None,
        "region": "us",
    }
    payload = serialize(flight, SerializationContext(f"{PREFIX}usage", MessageField.VALUE))
    assert payload is not None
    assert payload[:5] != Codec(ids, registry, prefix=PREFIX).usage_frame
    assert Codec(ids, registry, prefix=PREFIX).decode_usage(payload) == FLIGHT


def test_an_id_that_the_registry_does_not_have_is_an_unknown_schema(ids: dict[str, int], registry: Registry) -> None:
    assert registry.schema(2_000_000_000) is None
    with pytest.raises(UndecodableRecord, match="unknown-schema"):
        Codec(ids, registry, prefix=PREFIX).decode_usage(b"\0" + (2_000_000_000).to_bytes(4, "big") + b"x")


def with_scale(scale: int) -> str:
    schema = json.loads(schema_text(CREDIT))
    schema["fields"][4]["type"]["scale"] = scale
    return json.dumps(schema)


def test_the_registry_accepts_a_changed_scale_and_we_do_not(registry: Registry, foreign: SchemaRegistryClient) -> None:
    subject = f"scale-{uuid.uuid4()}-value"
    registry.register(subject, with_scale(0))
    assert foreign.get_compatibility(subject) == "BACKWARD_TRANSITIVE"
    assert foreign.test_compatibility(subject, Schema(with_scale(2), "AVRO"))
    assert incompatibilities(with_scale(2), with_scale(0)) == [
        "amount_minor: scale 0 is written, scale 2 would be read"
    ]
    with pytest.raises(SchemaRefused, match="scale 0 is written, scale 2 would be read"):
        registry.register(subject, with_scale(2))
    assert foreign.get_versions(subject) == [1]


def test_a_version_that_cannot_read_older_ones_is_refused(registry: Registry) -> None:
    subject = f"narrow-{uuid.uuid4()}-value"
    registry.register(subject, schema_text("beaas.customer.CustomerSaved"))
    narrower = json.loads(schema_text("beaas.customer.CustomerSaved"))
    narrower["fields"].append({"name": "country", "type": "string"})
    with pytest.raises(SchemaRefused, match="country"):
        registry.register(subject, json.dumps(narrower))


def test_a_registry_that_is_not_there_is_unavailable_and_its_password_is_not_shown() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        address = f"http://user:secret@127.0.0.1:{held.getsockname()[1]}"
        with (
            Registry(address, timeout_s=0.2, retries=0) as absent,
            pytest.raises(RegistryUnavailable, match="BEAAS_SCHEMA_REGISTRY_URL") as failure,
        ):
            absent.schema(1)
    assert "secret" not in str(failure.value)


def test_an_address_that_is_none_is_unavailable() -> None:
    with pytest.raises(RegistryUnavailable, match="its address"):
        Registry("nowhere")
