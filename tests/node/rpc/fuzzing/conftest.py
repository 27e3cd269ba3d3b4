from typing import Any

import pytest

from tests.conformance.rpc.chain import build


@pytest.fixture(scope="session")
def specification_chain() -> Any:
    return build()
