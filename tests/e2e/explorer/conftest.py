"""One network and one browser for all tests; what the browser complains of or asks for elsewhere fails the test that was on."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.e2e.explorer.browser import Page, browsing
from tests.e2e.harness import Cluster, make_options, running


@pytest.fixture(scope="package")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running(tmp_path_factory.mktemp("explorer") / "network", make_options(nodes=2)) as cluster:
        yield cluster


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with browsing(tmp_path_factory.mktemp("browser")) as page:
        yield page


@pytest.fixture
def page(browser: Page, cluster: Cluster) -> Iterator[Page]:
    browser.resize(1280, 900)
    browser.open("about:blank")
    browser.wait("location.href === 'about:blank'")
    browser.problems.clear()
    browser.requests.clear()
    yield browser
    browser.evaluate("1")
    hosts = {urlsplit(url).hostname for url in browser.requests if not url.startswith(("data:", "about:"))}
    assert hosts <= {"127.0.0.1"}, browser.requests
    assert browser.problems == []
    cluster.require_alive()


@pytest.fixture
def home(cluster: Cluster) -> str:
    return f"http://127.0.0.1:{cluster.options.metrics_port}/"
