"""The product prices random cases as the oracle does. BEAAS_ORACLE_SEED has other cases drawn."""

import pytest

from tests.oracle.product import check, seeds
from tests.oracle.random_prices import price_case_of


@pytest.mark.parametrize("chunk", seeds(100_000, chunks=20), ids=str)
def test_random_prices_come_out_as_the_oracle_says(chunk: range) -> None:
    for seed in chunk:
        check("price", price_case_of(seed), seed)
