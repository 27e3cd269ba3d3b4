"""A network to be killed, and a peer that hears every vote of it."""

from collections.abc import Iterator

import pytest

from tests.e2e.harness import Cluster, make_options, running
from tests.e2e.observer import Observer, observing


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("kills") / "network", make_options()) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def observer(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observer]:
    with observing(cluster, tmp_path_factory.mktemp("observer")) as observer:
        yield observer
