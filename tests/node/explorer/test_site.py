"""What the explorer's addresses answer, and what they do not."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from node.cluster.accounts import FAUCET_ACCOUNT
from node.explorer.site import FOLDER, Site
from shard.contracts import BEACON_ROOTS, BLOCK_HASHES, INBOX, OUTBOX, OUTBOX_CONTRACT
from tests.node.rpc.fake import GENESIS

LINES_MAX = 500


def make_site(devnet: bool = True, rpc_ports=None, allowed_hosts=("node.example",)) -> Site:
    parameters = GENESIS.parameters.model_copy(update={"devnet": devnet})
    genesis = GENESIS.model_copy(update={"parameters": parameters})
    return Site(genesis, rpc_ports or {0: 8545, 1: 8546}, "1.2.3", allowed_hosts)


def ask(path, host="127.0.0.1:9100", if_none_match="", site=None):
    return (site or make_site()).answer(path, host, if_none_match)


def policy_of(answer) -> str:
    return dict(answer.headers)["content-security-policy"]


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag, attrs) -> None:
        given = dict(attrs)
        self.found += [given[name] for name in ("src", "href") if name in given]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [("/", "text/html"), ("/app.css", "text/css"), ("/app.js", "text/javascript"), ("/icon.svg", "image/svg+xml"),
     ("/config.json", "application/json")],
)  # fmt: skip
def test_files_come_with_their_type(path, content_type):
    answer = ask(path)
    assert (answer.status, answer.content_type.partition(";")[0]) == (200, content_type)
    assert answer.body


@pytest.mark.parametrize(
    "path",
    ["/index.html", "/../site.py", "/views/../../site.py", "//app.js", "/app.js/", "/static/app.js", "/%2e%2e/site.py", "/..%2fsite.py",
     "/views", "/views/", "", "app.js", "/app.js\0", "/APP.JS", "\\app.js", "/" + "a" * 5000],
)  # fmt: skip
def test_nothing_but_the_files_is_there(path):
    assert ask(path) is None


@pytest.mark.parametrize("host", ["127.0.0.1:9100", "127.0.0.1", "localhost:9100", "[::1]:9100", "node.example:9100", "192.168.1.7:9100"])
def test_own_names_and_addresses_are_answered(host):
    assert ask("/", host).status == 200


@pytest.mark.parametrize("host", ["evil.example:9100", "evil.example", "127.0.0.1.evil.example", "127.0.0.1:9100;x", "node.example.evil"])
def test_a_name_that_was_rebound_is_refused(host):
    for path in ("/", "/app.js", "/config.json"):
        assert ask(path, host).status == 403


def test_a_file_is_sent_once_for_its_tag():
    first = ask("/app.js")
    headers = dict(first.headers)
    assert headers["cache-control"] == "no-cache"
    for sent in (headers["etag"], f'"other", W/{headers["etag"]}'):
        again = ask("/app.js", if_none_match=sent)
        assert (again.status, dict(again.headers)) == (304, headers)
    assert ask("/app.js", if_none_match='"other"').status == 200
    assert ask("/app.css", if_none_match=headers["etag"]).status == 200


@pytest.mark.parametrize(
    ("host", "source"),
    [("127.0.0.1:9100", "http://127.0.0.1:8545"), ("LocalHost:9100", "http://localhost:8545"), ("[::1]:9100", "http://*:8545")],
)
def test_the_page_may_speak_to_json_rpc_and_to_nothing_else(host, source):
    sources = re.search(r"connect-src ([^;]*)", policy_of(ask("/", host)))[1].split()
    assert sources == ["'self'", source, source.replace("http", "ws")]


def test_a_host_of_any_name_writes_no_policy():
    site = make_site(allowed_hosts=["*"])
    answer = ask("/", "a; script-src *:9100", site=site)
    assert answer.status == 200
    assert "script-src *" not in policy_of(answer)
    assert "script-src 'self'" in policy_of(answer)


def test_other_ports_are_told_and_allowed():
    site = make_site(rpc_ports={1: 9001})
    told = json.loads(ask("/config.json", site=site).body)
    assert told["rpcPort"] == 9001
    assert [(shard["port"], shard["path"]) for shard in told["shards"]] == [(9001, "/shard/0"), (9001, "/shard/1")]
    assert "http://127.0.0.1:9001" in policy_of(ask("/", site=site))


@pytest.mark.parametrize("devnet", [True, False])
def test_the_page_is_told_whether_there_is_a_faucet(devnet):
    told = json.loads(ask("/config.json", site=make_site(devnet)).body)
    assert told["devnet"] is devnet
    assert told["version"] == "1.2.3"
    assert [shard["chainId"] for shard in told["shards"]] == [735_700, 735_701]


def test_the_page_needs_nothing_that_is_not_served():
    links = Links()
    links.feed(ask("/").body.decode())
    files = [link for link in links.found if not link.startswith("#")]
    assert files
    assert not links.inline
    assert [link for link in files if ask("/" + link.removeprefix("./")) is None] == []


@pytest.mark.parametrize("script", sorted(FOLDER.rglob("*.js")), ids=lambda path: path.relative_to(FOLDER).as_posix())
def test_scripts_import_what_is_there_and_put_no_text_into_html(script: Path):
    text = script.read_text()
    for wanted in re.findall(r"""(?:from|import)\s*\(?["']([^"']+)["']""", text):
        assert wanted.startswith("."), wanted
        assert (script.parent / wanted).resolve().is_file(), wanted
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:", text)


@pytest.mark.parametrize("file", sorted(path for path in FOLDER.rglob("*") if path.is_file()), ids=lambda path: path.name)
def test_files_are_short_and_name_no_other_machine(file: Path):
    text = file.read_text()
    assert len(text.splitlines()) <= LINES_MAX
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)[\w.-]+", text) == []


def test_the_page_knows_the_contracts_and_accounts_of_the_network():
    known = "".join(path.read_text() for path in (FOLDER / "lib").glob("*.js"))
    addresses = [OUTBOX, INBOX, BEACON_ROOTS, BLOCK_HASHES, bytes.fromhex(FAUCET_ACCOUNT.address[2:])]
    assert [address.hex() for address in addresses if f'"0x{address.hex()}"' not in known] == []
    assert f'SENT_TOPIC = "0x{OUTBOX_CONTRACT.topics["Sent"].hex()}"' in known
