"""A stranger's clients on the pipeline's topics, as the pipeline's own tests have them."""

import pytest

pytest.register_assert_rewrite("tests.dlq.ground")

from tests.dlq.ground import ground  # noqa: E402 - after the line above
from tests.pipeline.conftest import stranger  # noqa: E402 - as above

__all__ = ["ground", "stranger"]
