"""A stranger's clients on the pipeline's topics."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.pipeline.books")

from tests.pipeline.wire import Stranger  # noqa: E402 - after the line above
from tests.support.pipeline import Pipeline  # noqa: E402


@pytest.fixture
def stranger(pipeline: Pipeline) -> Iterator[Stranger]:
    """Reads and writes the pipeline's topics with clients that are not ours."""
    made = Stranger(pipeline)
    yield made
    made.registry.close()
