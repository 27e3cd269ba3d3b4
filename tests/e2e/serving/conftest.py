"""One network for all tests that leave it as they found it."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Cluster, make_options, running


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("serving") / "network", make_options()) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def _logs_with_a_failure(cluster: Cluster) -> Iterator[None]:
    # Captured output is shown with a failure and with nothing else.
    yield
    print(cluster.logs())
    cluster.require_alive()
