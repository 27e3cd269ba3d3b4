"""Draws the explorer's pictures in docs/images anew: `make screenshots`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from node.cluster.accounts import COIN
from node.cluster.client import Client
from shard.contracts import OUTBOX_CONTRACT
from tests.e2e.accounts import known_account, next_nonce, sign
from tests.e2e.explorer.browser import Page, browsing
from tests.e2e.explorer.hostile import init_code
from tests.e2e.harness import Cluster, make_options, running, wait_for

IMAGES = Path(__file__).parents[3] / "docs" / "images"
TRAFFIC_SECONDS = 40
DESKTOP, PHONE = (1440, 900), (390, 844)
OUTBOX = "0x" + OUTBOX_CONTRACT.address.hex()


class Sender:
    """A test account that sends without waiting."""

    def __init__(self, cluster: Cluster, index: int, shard: int) -> None:
        self.client: Client = cluster.client(0, shard)
        self.account, self.shard = known_account(index), shard
        self._nonce = next_nonce(self.client, self.account)

    def send(self, **fields: object) -> str:
        self._nonce += 1
        return str(self.client.call("eth_sendRawTransaction", sign(self.account, 735_700 + self.shard, self._nonce - 1, **fields)))

    def cross(self, amount: int) -> str:
        data = "0x" + OUTBOX_CONTRACT.encode_call("transfer", 1 - self.shard, known_account(9).address).hex()
        return self.send(to=OUTBOX, value=amount, gas=200_000, data=data)


def make_traffic(cluster: Cluster) -> str:
    """Transfers in waves, and messages both ways, for a while; the id of a call that was refunded."""
    senders = [Sender(cluster, index, shard) for index in range(4) for shard in range(2)]
    refunded = send_failing_call(cluster)
    end, turn = time.monotonic() + TRAFFIC_SECONDS, 0
    while time.monotonic() < end:
        for place, sender in enumerate(senders):
            for _ in range((turn + 3 * place) % 7):
                sender.send(to=known_account(place).address, value=COIN // 100 * (place + 1))
        if turn % 3 == 0:
            senders[turn % len(senders)].cross(COIN // 4 * (1 + turn % 7))
        turn += 1
        time.sleep(0.7)
    return refunded


def send_failing_call(cluster: Cluster) -> str:
    there, here = Sender(cluster, 7, 1), Sender(cluster, 7, 0)
    created = there.send(data="0x" + init_code().hex(), gas=500_000)
    contract = wait_for("contract", lambda: there.client.call("eth_getTransactionReceipt", created))["contractAddress"]
    fields = (1, contract, COIN, 100_000, here.account.address, b"\x01")
    sent = here.send(to=OUTBOX, value=COIN + COIN // 100, gas=400_000, data="0x" + OUTBOX_CONTRACT.encode_call("send", *fields).hex())
    receipt = wait_for("message", lambda: here.client.call("eth_getTransactionReceipt", sent))
    return str(receipt["logs"][0]["topics"][1])


def draw(page: Page, home: str, refunded: str, credited: str) -> None:
    views = [
        ("overview", "", DESKTOP, "light", "Balanced"),
        ("overview-phone", "", PHONE, "light", "Balanced"),
        ("message", f"message/{refunded}", DESKTOP, "light", "Refunded"),
        ("message-phone", f"message/{credited}", PHONE, "dark", "Delivered"),
    ]
    for name, route, (width, height), scheme, word in views:
        page.open("about:blank")
        page.resize(width, height, is_phone=width == PHONE[0], scale=2 if width == PHONE[0] else 1)
        page.prefer(scheme)
        page.open(f"{home}#/{route}")
        page.wait_text(word)
        page.wait("Boolean(document.querySelector('.weave-block.final, .life-way.done'))")
        page.picture(IMAGES / f"explorer-{name}.jpg", quality=80)


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name, running(Path(name) / "network", make_options(block_time_ms=1000)) as cluster:
        refunded = make_traffic(cluster)
        client = cluster.client()
        logs = client.call("eth_getLogs", {"address": OUTBOX, "fromBlock": "0x1", "topics": ["0x" + OUTBOX_CONTRACT.topics["Sent"].hex()]})
        credited = next(log["topics"][1] for log in logs if log["topics"][1] != refunded)
        with browsing(Path(name)) as page:
            draw(page, f"http://127.0.0.1:{cluster.options.metrics_port}/", refunded, credited)


if __name__ == "__main__":
    main()
