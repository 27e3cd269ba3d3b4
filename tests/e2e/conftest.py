"""Networks for end-to-end tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.network import NetworkUnderTest


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetworkUnderTest]:
    """Four nodes and two shards that the friendly tests share."""
    made = NetworkUnderTest(tmp_path_factory.mktemp("network"), block_time_ms=500, idle_block_time_ms=1500)
    made.start()
    try:
        made.wait_ready()
        yield made
    finally:
        made.stop()


@pytest.fixture
def make_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., NetworkUnderTest]]:
    """Makes networks of a test's own, not started."""
    networks = []

    def make(**options: int) -> NetworkUnderTest:
        networks.append(NetworkUnderTest(tmp_path_factory.mktemp("network"), **options))
        return networks[-1]

    yield make
    for made in networks:
        made.stop()
