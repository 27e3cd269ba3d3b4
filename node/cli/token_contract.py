"""The contracts of shard/contracts/token.vy and nft.vy as the commands see them: on every shard at one address."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from node.cluster.client import CallRefused, Client
from primitives.errors import UserError

ERC721 = bytes.fromhex("80ac58cd")
"""Its interface by ERC-165."""
REVERTED = 3
"""Code of the error that a call's revert is answered with (docs/json-rpc.md, Errors)."""


class Interface:
    """What is called, and how: the artefact's names and types."""

    def __init__(self, name: str) -> None:
        """`name` is `token` or `nft`."""
        import shard.contracts

        artefact = json.loads((Path(shard.contracts.__file__).parent / f"{name}.json").read_text())
        self._bytecode = bytes.fromhex(artefact["bytecode"][2:])
        self._functions = {entry["name"]: entry for entry in artefact["abi"] if entry["type"] == "function"}
        self._constructor = next(entry for entry in artefact["abi"] if entry["type"] == "constructor")

    def creation(self, *arguments: object) -> bytes:
        """Data of the transaction that deploys it."""
        from eth_abi import encode

        return self._bytecode + encode([each["type"] for each in self._constructor["inputs"]], arguments)

    def call(self, name: str, *arguments: object) -> bytes:
        """Data of a call."""
        from eth_abi import encode

        from primitives.hashing import keccak256

        kinds = [each["type"] for each in self._functions[name]["inputs"]]
        return keccak256(f"{name}({','.join(kinds)})".encode())[:4] + encode(kinds, arguments)


@dataclass(frozen=True, slots=True)
class Holding:
    """One shard's part, in the token's least units."""

    shard: int
    block: int
    balance: int
    supply: int
    """All that is on this shard."""
    sent: tuple[int, ...]
    """By shard, like the next two: ever sent there, arrived from there, and returned as it did not arrive there."""
    arrived: tuple[int, ...]
    returned: tuple[int, ...]


class Token:
    """A token that is deployed, or a contract of things that exist once; what both can do is called alike."""

    def __init__(self, client: Client, address: str, name: str = "token") -> None:
        self._client, self.address, self.interface = client, address, Interface(name)

    def ask(self, shard: int, calls: list[tuple[Any, ...]], block: str = "latest") -> list[int]:
        """What views answer, each with one number.

        Raises:
            UserError: there is no token at the address.
        """
        asked = [{"to": self.address, "data": "0x" + self.interface.call(*each).hex()} for each in calls]
        try:
            answers = self._client.batch([("eth_call", (each, block)) for each in asked], f"/shard/{shard}")
        except CallRefused as error:
            if error.code != REVERTED:
                raise
            raise UserError(f"what is at {self.address} on shard {shard} is no token: check the address") from error
        if any(len(answer) != 66 for answer in answers):
            raise UserError(f"there is no token at {self.address} on shard {shard} yet: check the address, or wait for the next crosslink")
        return [int(answer, 16) for answer in answers]

    def require_same_code(self, shards: list[int], block: str = "latest") -> None:
        """Raises UserError unless the same code is at the address on these shards, which is what its peers rely on."""
        codes = [self._client.batch([("eth_getCode", (self.address, block))], f"/shard/{shard}")[0] for shard in shards]
        for shard, code in zip(shards, codes, strict=True):
            if code == "0x":
                raise UserError(f"there is no token at {self.address} on shard {shard}: check the address, or deploy one with token deploy")
            if code != codes[0]:
                raise UserError(f"the code at {self.address} is not the same on shards {shards[0]} and {shard}: do not trust this token")

    def require_sendable(self, shard: int, number: int, holder: str) -> None:
        """Raises UserError unless a thing is on a shard, and its holder's to send."""
        thing = {"to": self.address, "data": "0x" + self.interface.call("ownerOf", number).hex()}
        try:
            (owner,) = self._client.batch([("eth_call", (thing, "latest"))], f"/shard/{shard}")
        except CallRefused as error:
            if error.code != REVERTED:
                raise
            raise UserError(
                f"there is no number {number} of {self.address} on shard {shard}: it was never created, is on another shard (--shard), "
                "or on its way"
            ) from error
        owner = "0x" + owner[-40:]
        if owner == holder.lower():
            return
        approved, for_all = self.ask(shard, [("getApproved", number), ("isApprovedForAll", owner, holder)])
        if approved != int(holder, 16) and not for_all:
            whose = f"number {number} on shard {shard} belongs to {owner}, and {holder} may not send it"
            raise UserError(f"{whose}: name its owner's key with --from")

    def is_nft(self) -> bool:
        """Whether it says it is an ERC-721."""
        return self.ask(0, [("supportsInterface", ERC721)]) == [1]

    def holding(self, shard: int, shards: int, block: int, account: str) -> Holding:
        """What an account has on a shard, and the shard's books."""
        calls: list[tuple[Any, ...]] = [("balanceOf", account), ("totalSupply",)]
        for name in ("sent", "arrived", "returned"):
            calls += [(name, other) for other in range(shards)]
        balance, supply, *books = self.ask(shard, calls, hex(block))
        sent, arrived, returned = (tuple(books[i * shards : (i + 1) * shards]) for i in range(3))
        return Holding(shard, block, balance, supply, sent, arrived, returned)


def in_flight(holdings: list[Holding]) -> dict[tuple[int, int], int]:
    """What is on its way, or on its way back, by source and destination."""
    flights = {}
    for a in holdings:
        for b in holdings:
            amount = a.sent[b.shard] - b.arrived[a.shard] - a.returned[b.shard]
            if amount:
                flights[a.shard, b.shard] = amount
    return flights
