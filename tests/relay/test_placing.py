"""A batch is placed as its records would be one by one."""

from hypothesis import given
from hypothesis import strategies as st

from connectors.relay.placing import murmurs, placing
from schemas.partition import murmur2, partition_of

KEYS = st.lists(st.binary(max_size=40) | st.sampled_from([b"", b"a", b"\xff" * 8, b"\xff" * 37]), max_size=40)
CODES = st.text(min_size=1, max_size=20)


@given(KEYS)
def test_many_keys_have_the_hashes_that_each_has_alone(keys: list[bytes]) -> None:
    assert murmurs(keys) == [murmur2(key) for key in keys]


@given(st.lists(st.tuples(CODES, CODES), max_size=20), st.integers(1, 64), st.integers(1, 64))
def test_a_batch_stands_where_its_accounts_live(
    accounts: list[tuple[str, str]], partitions: int, slice_size: int
) -> None:
    places = placing(partitions=partitions, slice_size=slice_size)
    found = places([tenant.encode() for tenant, _ in accounts], [name.encode() for _, name in accounts])
    assert found == [
        partition_of(tenant, name, partitions=partitions, slice_size=slice_size) for tenant, name in accounts
    ]
