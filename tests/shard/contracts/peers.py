"""A contract of shard/contracts at the same address on three shards, and the channels between them."""

import json
from collections import defaultdict, deque
from pathlib import Path

import rlp
from eth_abi import decode, encode

from primitives.callbacks import Outcome
from primitives.hashing import keccak256
from shard import system
from shard.contracts import OUTBOX, OUTBOX_CONTRACT, build
from shard.views import CallRequest
from tests.shard.engine.support import GWEI, Shard, address

SHARDS, DEPLOYER = 3, 2
ADDRESS = keccak256(rlp.encode([address(DEPLOYER), b""]))[12:]
"""Of the first contract that the deployer creates, on whichever shard."""
DEAR = 17 * GWEI
"""A base fee at which no call and no callback runs that was paid for at one of 1 gwei."""
FIRST_CHAIN = 735_700


def load(name):
    return json.loads((Path(build.__file__).parent / f"{name}.json").read_text())


def _kind(entry):
    if entry["type"] != "tuple":
        return entry["type"]
    return "(" + ",".join(map(_kind, entry["components"])) + ")"


class Peers:
    """The network."""

    def __init__(self, name, arguments, codes=None, without=()):
        self.artefact = load(name)
        self.shards = [Shard((codes or {}).get(i, {}), shard=i) for i in range(SHARDS)]
        self.channels = defaultdict(deque)
        self.results = {}
        kinds = [each["type"] for each in self._entry("constructor")["inputs"]]
        creation = bytes.fromhex(self.artefact["bytecode"][2:]) + encode(kinds, arguments)
        for shard in (shard for i, shard in enumerate(self.shards) if i not in without):
            outcome = self._run(shard, lambda block, shard=shard: shard.send(block, DEPLOYER, None, 0, creation, gas=4_000_000))
            assert (outcome.status, outcome.contract_address) == (1, ADDRESS)

    def _entry(self, kind, name=None, count=None):
        return next(
            entry
            for entry in self.artefact["abi"]
            if entry["type"] == kind and (name is None or entry["name"] == name) and count in (None, len(entry["inputs"]))
        )

    def data(self, method, *arguments):
        kinds = [each["type"] for each in self._entry("function", method, len(arguments))["inputs"]]
        return keccak256(f"{method}({','.join(kinds)})".encode())[:4] + encode(kinds, arguments)

    def ask(self, shard, method, *arguments, sender=None):
        """What a view answers, or the whole answer of one that refuses."""
        place = self.shards[shard]
        request = CallRequest(sender or address(0), ADDRESS, None, b"", b"", self.data(method, *arguments))
        answer = place.engine.call(place.root, place.context(), request)
        if not answer.success:
            return answer
        kinds = [_kind(each) for each in self._entry("function", method, len(arguments))["outputs"]]
        values = decode(kinds, answer.output)
        return values[0] if len(values) == 1 else values

    def act(self, shard, i, method, *arguments, value=0, to=ADDRESS):
        """A transaction of account `i`; what it sends is in its channel then."""
        place, data = self.shards[shard], self.data(method, *arguments)
        return self._run(place, lambda block: place.send(block, i, to, value, data, gas=3_000_000))

    def move(self, source, target, i, to, what, extra=0):
        return self.act(source, i, "sendTo", target, to, what, value=self.price(source, target) + extra)

    def price(self, source, target):
        return self.ask(source, "quoteTo", target)

    def deliver(self, source, target, change=lambda receipt: receipt, base_fee=GWEI):
        """Delivers what is next in a channel."""
        place = self.shards[target]
        receipt = change(self.channels[source, target].popleft())
        place.base_fee = base_fee
        outcome = self._run(place, lambda block: block.deliver(receipt))
        place.base_fee = GWEI
        return outcome

    def drain(self):
        while waiting := [channel for channel, receipts in self.channels.items() if receipts]:
            self.deliver(*waiting[0])

    def settle(self, said, i=1, shard=0):
        return self.act(shard, i, "settle", said.call_id, said.success, said.returned)

    def outcome(self, shard, position=-1):
        """The newest outcome that was sent to a shard."""
        return self.results[shard][position]

    def _run(self, shard, action):
        block = shard.begin()
        outcome = action(block)
        shard.finish(block)
        shard.audit()
        sent = OUTBOX_CONTRACT.topics["Sent"]
        for log in (log for log in outcome.logs if log.address == OUTBOX and log.topics[0] == sent):
            receipt = system.receipt_of_log(log, shard.shard)
            self.channels[shard.shard, receipt.destination].append(receipt)
            if receipt.kind == 4:
                self.results.setdefault(receipt.destination, []).append(Outcome.decode(receipt.data, 1024))
        return outcome

    def in_flight(self, source, target):
        arrived = self.ask(target, "arrived", source)
        arrived = arrived if isinstance(arrived, int) else 0
        return self.ask(source, "sent", target) - arrived - self.ask(source, "returned", target)
