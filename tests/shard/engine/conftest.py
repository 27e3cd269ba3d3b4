"""Every test runs on both engines; on the fast one everything is translated before it runs."""

import pytest

from tests.shard.engine import support
from tests.shard.fast.eager import EagerEngine


@pytest.fixture(scope="module", autouse=True, params=["reference", "fast"])
def engine(request):
    """What shards are made with."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "fast":
            patch.setattr(support, "ENGINE", EagerEngine)
        yield
