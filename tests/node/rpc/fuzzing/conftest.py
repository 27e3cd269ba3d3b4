from typing import Any

import pytest

import shard.engine.fast  # noqa: F401 (raises the recursion limit, which must not come while hypothesis is at work)
from tests.conformance.rpc.chain import build


@pytest.fixture(scope="session")
def specification_chain() -> Any:
    return build()
