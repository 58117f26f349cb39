import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_another_client
from hypothesis import given
from hypothesis import strategies as st

from schemas.partition import murmur2, partition_of, placement

# From the unit test of Kafka's own client (org.apache.kafka.common.utils.UtilsTest), with the sign bit cleared.
PUBLISHED = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize(("key", "published"), PUBLISHED.items())
def test_murmur2_gives_the_values_that_kafka_publishes(key: bytes, published: int) -> None:
    assert murmur2(key) == published & 0x7FFFFFFF


@given(st.binary(max_size=200))
def test_murmur2_agrees_with_another_client(key: bytes) -> None:
    assert murmur2(key) == murmur2_of_another_client(key) & 0x7FFFFFFF


@given(st.text(), st.text(), st.integers(1, 200), st.integers(1, 200))
def test_an_account_stands_where_the_formula_says(tenant: str, customer: str, partitions: int, slice_size: int) -> None:
    tenant, customer = tenant.encode("utf-8", "ignore").decode(), customer.encode("utf-8", "ignore").decode()
    expected = (murmur2(tenant.encode()) + murmur2(customer.encode()) % slice_size) % partitions
    assert partition_of(tenant, customer, partitions=partitions, slice_size=slice_size) == expected
    assert placement(partitions=partitions, slice_size=slice_size)(tenant, customer) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sets(st.integers(), min_size=50, max_size=60))
def test_a_tenant_stays_in_its_slice_of_neighbours(tenant: str, customers: set[int]) -> None:
    first = murmur2(tenant.encode()) % 64
    slice_of_eight = {(first + step) % 64 for step in range(8)}
    assert {partition_of(tenant, str(c), partitions=64, slice_size=8) for c in customers} <= slice_of_eight


@pytest.mark.parametrize(("partitions", "slice_size"), [(0, 8), (8, 0), (-1, 1)])
def test_no_partitions_or_an_empty_slice_are_refused(partitions: int, slice_size: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        partition_of("EWR", "UA", partitions=partitions, slice_size=slice_size)
