"""The explorer in a browser against a live network."""

import json
from pathlib import Path

import pytest

from node.cluster.accounts import COIN
from shard.contracts import OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, new_account, next_nonce, sign
from tests.e2e.explorer.browser import Page
from tests.e2e.explorer.hostile import HOSTILE, LOG, init_code
from tests.e2e.harness import EVENT_SECONDS_MAX, SHARDS, Cluster, balance, is_free, lines_of, wait_for
from tests.e2e.joining.guest import joining

OUTBOX = "0x" + OUTBOX_CONTRACT.address.hex()
CHAIN_IDS = [735_700 + shard for shard in range(SHARDS)]
HEIGHT = "Number(document.querySelectorAll('.card .height')[1]?.textContent.replace(/,/g, ''))"


def send(cluster: Cluster, index: int, shard: int = 0, **fields: object) -> dict:
    """A test account's transaction, in a block; its receipt."""
    client, account = cluster.client(0, shard), known_account(index)
    raw = sign(account, CHAIN_IDS[shard], next_nonce(client, account), **fields)
    sent = client.call("eth_sendRawTransaction", raw)
    return wait_for("receipt", lambda: client.call("eth_getTransactionReceipt", sent))


def test_the_overview_grows_by_itself(page: Page, cluster: Cluster, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0", "Shard 1", "Beacon chain", "Balanced", "Messages in flight", "Base fee")
    first = page.wait(HEIGHT)
    page.wait(f"{HEIGHT} > {first} + 1")
    assert page.wait("document.querySelectorAll('.weave-block').length") > 3
    assert page.wait("document.querySelectorAll('.weave-thread').length") > 0
    assert page.evaluate("document.querySelector('#banner').textContent") == ""
    assert set(page.sockets) == {f"ws://127.0.0.1:{cluster.options.rpc_port}/shard/{shard}" for shard in range(SHARDS)}
    assert page.heads > 0


def test_the_other_node_serves_its_own_view(page: Page, cluster: Cluster) -> None:
    page.open(f"http://127.0.0.1:{cluster.options.metrics_port + 1}/")
    page.wait_text("Shard 0", "Balanced")
    assert any(url.startswith(cluster.options.url(1)) for url in page.requests)


def test_from_a_block_over_its_transaction_to_an_address(page: Page, cluster: Cluster, home: str) -> None:
    receiver = new_account().address
    receipt = send(cluster, 1, to=receiver, value=3 * COIN // 2)
    number = int(receipt["blockNumber"], 16)
    page.open(home + "#/shard/0")
    page.click("td a", f"{number:,}")
    page.wait_text(f"Block {number:,}", "Base fee", receipt["blockHash"], "1.5")
    page.click("td a", receipt["transactionHash"][:8])
    page.wait_text("Succeeded", receipt["transactionHash"], "21,000 of 21,000", "Dynamic fee (EIP-1559)")
    page.click("dd a", receiver)
    page.wait_text("On all shards", receiver, "1.5 coins")
    page.wait_text("together 1.5 coins")
    page.wait_text("Newest transactions", receipt["transactionHash"][:8], f"from {known_account(1).address[:8]}", "Looked through")
    again = send(cluster, 1, to=receiver, value=COIN)
    page.wait_text(again["transactionHash"][:8])
    page.open(f"{home}#/address/{new_account().address}")
    page.wait_text("It neither sent nor received one in these blocks")


def test_addresses_are_written_with_their_checksum(page: Page, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0")
    accounts = [new_account().address for _ in range(20)]
    write = "import('/lib/checksum.js').then(({ withChecksum }) => %s.map(withChecksum))"
    assert page.evaluate(write % json.dumps([address.lower() for address in accounts])) == accounts
    wrong = accounts[0].swapcase().replace("X", "x", 1)
    page.fill("#query", wrong)
    page.press("Enter", 13, "\r")
    page.wait_text("wrong case (EIP-55)", wrong)


@pytest.mark.parametrize(("shown", "is_phone"), [(1280, False), (360, True)])
def test_the_life_of_a_message_is_drawn_to_its_end(page: Page, cluster: Cluster, home: str, shown: int, is_phone: bool) -> None:
    told = cluster.command("send", "--from", "2", "--to", "5", "--value", "1.5", "--to-shard", "1", "--wait", "finalized", "--json")
    steps = lines_of(told)
    assert steps[-1]["step"] == "finalized", told.stdout + told.stderr
    life = cluster.client().call("shard_getCrossShardTransaction", steps[0]["hash"])["receipts"][0]
    page.resize(shown, 800, is_phone=is_phone)
    page.open(f"{home}#/message/{life['id']}")
    page.wait_text("Delivered", "1.5 coins")
    page.wait_text("Queued", "Sent", "Final", "Crosslinked", "Beacon final", "Received", "Credited", "Delivery final")
    page.wait("document.querySelectorAll('.life-list li.done').length === 8")
    assert page.evaluate("document.querySelectorAll('.life-drawing circle').length") == 8
    assert page.evaluate("document.querySelectorAll('.life-way.done').length") == 7
    drawn = page.evaluate("document.querySelector('.life-drawing').textContent")
    for step in ("sent", "crosslink", "delivery"):
        assert f"#{int(life[step]['block']['number'], 16):,}" in drawn


def test_a_call_that_failed_is_drawn_with_its_refund(page: Page, cluster: Cluster, home: str) -> None:
    contract = send(cluster, 3, 1, data="0x" + init_code().hex(), gas=500_000)["contractAddress"]
    sender, gas = known_account(3).address, 100_000
    source = cluster.client(0, 0)
    quote = "0x" + OUTBOX_CONTRACT.encode_call("quote", 1, gas).hex()
    fee = int(source.call("eth_call", {"to": OUTBOX, "data": quote}, "latest"), 16) + 10**15
    data = "0x" + OUTBOX_CONTRACT.encode_call("send", 1, contract, COIN, gas, sender, b"\x01").hex()
    receipt = send(cluster, 3, 0, to=OUTBOX, value=COIN + fee, data=data, gas=400_000)
    assert receipt["status"] == "0x1"
    page.open(f"{home}#/message/{receipt['logs'][0]['topics'][1]}")
    page.wait_text("Call failed", "Refund crosslinked", "Refunded")
    page.wait("document.querySelectorAll('.life-list li.todo, .life-list li.next').length === 0")
    assert page.evaluate("document.querySelectorAll('.life-way.bad').length") == 1


def test_a_callback_is_the_last_step_of_its_call(page: Page, cluster: Cluster, home: str) -> None:
    contract = send(cluster, 3, 1, data="0x" + init_code().hex(), gas=500_000)["contractAddress"]
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, contract, 100_000, 30_000, known_account(3).address, b"\x01")
    receipt = send(cluster, 3, 0, to=OUTBOX, value=COIN // 10, data="0x" + call.hex(), gas=400_000)
    assert receipt["status"] == "0x1"
    page.open(f"{home}#/message/{receipt['logs'][0]['topics'][1]}")
    page.wait_text("Call with a callback", "Call failed", "Callback", "30,000 gas, tells that the call failed, ran in block")
    page.wait("document.querySelectorAll('.life-list li.todo, .life-list li.next').length === 0")


def test_hostile_texts_are_shown_and_do_nothing(page: Page, cluster: Cluster, home: str) -> None:
    contract = send(cluster, 4, data="0x" + init_code().hex(), gas=500_000)["contractAddress"]
    failed = send(cluster, 4, to=contract, data="0x01", gas=100_000)
    logged = send(cluster, 4, to=contract, data=f"0x{LOG:02x}", gas=100_000)
    for route, proof in (
        (f"shard/0/tx/{failed['transactionHash']}", "It failed: execution reverted: "),
        (f"shard/0/tx/{logged['transactionHash']}", "as text"),
        (f"address/{contract}", "says its name is"),
        (f"search/{HOSTILE.replace('%', '')}", "none of the things"),
    ):
        page.open(home + "#/" + route)
        page.wait_text(proof, HOSTILE)
        assert page.evaluate("window.hacked === undefined && !document.querySelector('main img, main script')")


def test_the_search_leads_to_what_it_finds(page: Page, cluster: Cluster, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0")
    page.evaluate("document.body.focus()")
    page.press("/", 191, "/")
    page.wait("document.activeElement.id === 'query'")

    def search(text: str) -> None:
        page.fill("#query", text)
        page.press("Enter", 13, "\r")

    search(known_account(0).address)
    page.wait_text("On all shards", known_account(0).address)
    search("1")
    page.wait_text("Block 1 of shard 0", "Block 1 of shard 1", "Block 1 of the beacon chain")
    sent = send(cluster, 5, to=OUTBOX, value=COIN, gas=300_000, data="0x" + OUTBOX_CONTRACT.encode_call("transfer", 1, OUTBOX).hex())
    search(sent["blockHash"])
    page.wait_text(f"Block {int(sent['blockNumber'], 16):,}", sent["blockHash"])
    search(sent["transactionHash"])
    page.wait_text("Transaction on shard 0", "Message from shard 0 to shard 1")
    page.click("main a", "Transaction on shard 0")
    page.wait_text("Succeeded", "Messages to other shards")
    search("0x" + "ab" * 32)
    page.wait_text("Nothing on this network answers to that")
    search("what is this")
    page.wait_text("none of the things this page can look for")


def test_the_faucet_gives_and_says_where(page: Page, cluster: Cluster, home: str) -> None:
    receiver = new_account().address
    page.open(home + "#/faucet")
    page.fill("#faucet-address", "0x12")
    page.click("button", "Give 100 coins")
    page.wait_text("An address is 0x and 40 hexadecimal digits")
    page.fill("#faucet-address", receiver.swapcase().replace("X", "x", 1))
    page.click("button", "Give 100 coins")
    page.wait_text("wrong case (EIP-55)")
    page.fill("#faucet-address", receiver)
    page.click("label", "Shard 1")
    page.click("button", "Give 100 coins")
    page.wait_text("100 coins on", "in block")
    assert balance(cluster.client(0, 1), receiver) == 100 * COIN
    assert balance(cluster.client(0, 0), receiver) == 0


WALLET = """window.asked = []; window.ethereum = { request: async (call) => { window.asked.push(call);
  return call.method === 'eth_requestAccounts' ? ['0x00000000000000000000000000000000000000aa'] : null; } };"""
TWO_WALLETS = """window.chosen = []; for (const name of ['First', 'Second<b>'])
  window.dispatchEvent(new CustomEvent('eip6963:announceProvider', { detail: { info: { uuid: name, name },
    provider: { request: async (call) => window.chosen.push([name, call.method]) } } }));"""


def test_a_shard_is_added_to_the_wallet_there_is(page: Page, cluster: Cluster, home: str) -> None:
    page.open(home + "#/shard/1")
    page.click("button", "Add shard 1 to wallet")
    page.wait("document.querySelector('dialog[open]')?.innerText.includes('No wallet answers in this browser')")
    told = page.evaluate("document.querySelector('dialog').innerText")
    assert cluster.options.url(0, 1) in told
    assert str(CHAIN_IDS[1]) in told
    page.open(home + "#/supply")
    page.wait("!document.querySelector('dialog')")
    page.open(home + "#/shard/1")
    page.click("button", "Add shard 1 to wallet")
    page.click("dialog button", "Close")
    page.wait("!document.querySelector('dialog')")
    page.evaluate(WALLET)
    page.click("button", "Add shard 1 to wallet")
    page.wait_text("Shard 1 is in")
    assert page.evaluate("window.asked") == [{
        "method": "wallet_addEthereumChain",
        "params": [{"chainId": hex(CHAIN_IDS[1]), "chainName": "shardnet shard 1", "rpcUrls": [cluster.options.url(0, 1)],
                    "nativeCurrency": {"name": "Coin", "symbol": "COIN", "decimals": 18}}],
    }]  # fmt: skip
    page.open(home + "#/faucet")
    page.click("button", "Use the wallet's account")
    page.wait("document.querySelector('#faucet-address').value === '0x00000000000000000000000000000000000000aa'")
    page.evaluate(TWO_WALLETS)
    page.click("button", "Add shard 0 to wallet")
    page.click("dialog button", "Second<b>")
    page.wait("window.chosen.length")
    assert page.evaluate("window.chosen") == [["Second<b>", "wallet_addEthereumChain"]]


def test_validators_beacon_blocks_and_supply_are_told(page: Page, cluster: Cluster, home: str) -> None:
    page.open(home + "#/validators")
    page.wait_text("1,000 coins", "A certificate is made of the first votes", "100 %", "Committees", "(now)", "Shard 1", "Beacon")
    page.open(home + "#/beacon")
    page.wait_text("Coordinates the shards")
    page.click("td[data-name=Block] a")
    page.wait_text("State root", "Crosslinks", "Validator")
    page.open(home + "#/supply")
    page.wait_text("Balanced to the wei", "In flight", "Staked", "Genesis", "Burned")
    assert page.evaluate("document.querySelector('.equation b').textContent.trim()") == "="


ROUTES = ["", "shard/0", "shard/9", "shard/0/block/1", "beacon", "beacon/block/1", "messages", "message/0x" + "ab" * 32, "validators",
          "supply", "faucet", "address/0x" + "0" * 36 + "5a01", "shard/0/tx/0x" + "ab" * 32, "search/1", "nowhere"]  # fmt: skip


def test_no_view_is_wider_than_a_small_phone(page: Page, home: str) -> None:
    page.resize(360, 740, is_phone=True)
    page.open(home)
    page.wait_text("Shard 0")
    for route in ROUTES:
        page.open(home + "#/" + route)
        page.wait(f"location.hash === {json.dumps('#/' + route)} && !document.querySelector('main[aria-busy]') "
                  "&& document.querySelectorAll('main h1').length === 1")  # fmt: skip
        assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0, route


def test_silence_of_the_node_is_told_and_ends(page: Page, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0")
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    page.send("Network.emulateNetworkConditions", offline=True, **conditions)
    page.wait("document.querySelector('#banner')?.textContent.includes('The node does not answer')")
    assert "Shard 0" in page.text()
    page.send("Network.emulateNetworkConditions", offline=False, **conditions)
    page.wait("document.querySelector('#banner')?.textContent === ''")
    page.problems[:] = [problem for problem in page.problems if "ERR_INTERNET_DISCONNECTED" not in problem]


ALTERED = """const ask = window.fetch; window.fetch = async (...given) => { const text = await (await ask(...given)).text();
  return new Response(text.replaceAll('"ready":true', '"ready":false').replaceAll('"devnet": true', '"devnet": false')); };"""


def test_catching_up_is_told_and_a_network_that_is_no_devnet_has_no_faucet(page: Page, home: str) -> None:
    script = page.send("Page.addScriptToEvaluateOnNewDocument", source=ALTERED)["identifier"]
    page.open(home + "#/faucet")
    page.wait("document.querySelector('#banner')?.textContent.includes('This node is catching up')")
    page.wait_text("Add shard 0 to wallet")
    assert "Give 100 coins" not in page.text()
    assert "devnet" not in page.evaluate("document.querySelector('header').innerText")
    page.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


CUT_OFF = """const ask = window.fetch; window.fetch = async (...given) => { const text = await (await ask(...given)).text();
  return new Response(text.replaceAll('"ready":true', '"ready":false').replaceAll(/"peers":"0x[0-9a-f]+"/g, '"peers":"0x0"')); };"""


def test_a_node_without_peers_says_so_and_promises_nothing(page: Page, home: str) -> None:
    script = page.send("Page.addScriptToEvaluateOnNewDocument", source=CUT_OFF)["identifier"]
    page.open(home)
    page.wait("document.querySelector('#banner')?.textContent.includes('This node is cut off')")
    page.wait_text("cut off")
    page.send("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_how_long_nothing_has_grown_counts_from_the_newest_block(page: Page, home: str) -> None:
    page.open(home)
    page.wait_text("Shard 0")
    told = page.evaluate("""import('/lib/network.js').then(({ Network }) => {
      const network = new Network(null, { shards: [{}, {}] });
      const since = () => Math.round((Date.now() - network.newestTime()) / 1000);
      const now = Math.floor(Date.now() / 1000), at = (seconds) => [{ timestamp: `0x${(now - seconds).toString(16)}` }];
      const found = [since()];
      network.blocks = [at(90), []];
      network.beaconBlocks = at(60);
      found.push(since());
      network.blocks = [at(90), at(-30)];
      return [...found, since()];
    })""")
    assert told[0] == told[2] == 0
    assert told[1] in (60, 61)


def test_a_node_that_hosts_one_shard_shows_the_other_through_its_peers(page: Page, cluster: Cluster, tmp_path: Path) -> None:
    receiver = new_account().address
    sent = send(cluster, 6, 1, to=receiver, value=COIN)
    with joining(cluster, tmp_path / "node", shards="0") as guest:
        page.open("about:blank")
        wait_for("page of the guest", lambda: not is_free(guest.metrics_port))
        page.open(f"http://127.0.0.1:{guest.metrics_port}/")
        page.wait_text("Shard 1", "not hosted here", seconds=EVENT_SECONDS_MAX)
        page.wait("[...document.querySelectorAll('td')].some((one) => one.innerText === 'Shard 1')")
        page.open(f"http://127.0.0.1:{guest.metrics_port}/#/shard/1/tx/{sent['transactionHash']}")
        page.wait_text("Succeeded", receiver)
        page.open(f"http://127.0.0.1:{guest.metrics_port}/#/address/{receiver}")
        page.wait_text("together 1 coins")
        page.open("about:blank")
        page.wait("location.href === 'about:blank'")
