"""The dashboard: whole, provisioned, and its queries can be read."""

import re
from typing import Any

import pytest
import yaml

from tests.docker.dashboard import PROVISIONING, Named, dashboard, graphs, parse, targets, tokens
from tests.docker.dockerfile import ROOT

GRID_COLUMNS = 24


def provisioned(kind: str) -> dict[str, Any]:
    (path,) = (PROVISIONING / kind).glob("*.yml")
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    return read


def service(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"][name]
    return found


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    assert len(graphs()) > 12
    for panel in graphs():
        assert panel["title"]
        assert panel["description"].endswith("."), panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert place["x"] + place["w"] <= GRID_COLUMNS
        assert not cells & taken, panel["title"]
        taken |= cells


def test_every_query_asks_the_provisioned_source() -> None:
    (source,) = provisioned("datasources")["datasources"]
    wanted = {"type": source["type"], "uid": source["uid"]}
    for panel in graphs():
        assert panel["datasource"] == wanted
        assert [target["datasource"] for target in panel["targets"]] == [wanted] * len(panel["targets"])
    host, port = re.fullmatch(r"http://([\w-]+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert [published.split(":")[-1] for published in service(host)["ports"]] == [port]
    interval = yaml.safe_load((ROOT / "docker" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert source["jsonData"]["timeInterval"] == interval


def test_the_dashboard_is_where_grafana_looks() -> None:
    grafana = service("grafana")
    (mount,) = grafana["volumes"]
    outside, inside, mode = mount.split(":")
    assert (ROOT / outside, mode) == (PROVISIONING, "ro")
    (provider,) = provisioned("dashboards")["providers"]
    assert provider["options"]["path"] == f"{inside}/dashboards"
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (PROVISIONING / home.removeprefix(inside + "/")).is_file()


def test_everybody_may_look_and_nobody_may_change() -> None:
    grafana = service("grafana")
    assert re.fullmatch(r"grafana/grafana:\d+\.\d+\.\d+", grafana["image"])
    environment = grafana["environment"]
    assert (environment["GF_AUTH_ANONYMOUS_ENABLED"], environment["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")
    assert environment["GF_AUTH_DISABLE_LOGIN_FORM"] == "true"
    assert dashboard()["editable"] is False


def test_legends_name_labels_that_their_queries_keep() -> None:
    for query, legend in targets():
        named = set(re.findall(r"{{(\w+)}}", legend))
        for metric in parse(query):
            assert not metric.labels or named <= metric.labels | {"instance"}, query


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("shardnet_peers", [("shardnet_peers", set(), set())]),
        ("max(abs(a))", [("a", set(), set())]),
        ("sum(a) or vector(0)", [("a", set(), set())]),
        ('rate(a{x="1", y!="2"}[1m])', [("a", {"x", "y"}, {("x", "1")})]),
        ("histogram_quantile(0.95, sum by (c, le) (rate(a_bucket[1m])))", [("a_bucket", {"c", "le"}, set())]),
        ('max by (c) (a{t="f"}) - min by (d) (b)', [("a", {"c", "t"}, {("t", "f")}), ("b", {"d"}, set())]),
    ],
)
def test_queries_are_read(query: str, found: list[tuple[str, set[str], set[tuple[str, str]]]]) -> None:
    assert parse(query) == [Named(name, frozenset(labels), frozenset(values)) for name, labels, values in found]


@pytest.mark.parametrize("query", ["sum(a", "sum(a))", "guess(a)", "a{x=~'1'}", "sum(a) by (x)"])
def test_a_query_that_is_wrong_is_not_read(query: str) -> None:
    with pytest.raises((AssertionError, IndexError)):
        parse(query)


def test_every_query_is_read_to_its_end() -> None:
    assert targets()
    for query, _ in targets():
        assert tokens(query)
        assert parse(query)
