"""Contracts that call other shards with a callback: whatever they are called with they pass on to Outbox, with its value."""

from shard.contracts import OUTBOX_CONTRACT

SINK = b"\x5e" * 20
RECORDING = bytes.fromhex("6004355f55602435600155336002553260035534600455475f5260205fa0365f5f37365fa000")
"""Keeps id, success, sender, origin and value; logs its balance, then what it is called with."""


def _two(number: int) -> bytes:
    return number.to_bytes(2, "big")


def caller(callback: bytes) -> bytes:
    """Code that forwards to Outbox and reverts where that does, and runs `callback` where Inbox calls."""
    to_callback = bytes.fromhex("33615a021461") + _two(CALLBACK_AT - 1) + b"\x57"
    forward = bytes.fromhex("365f5f375f5f365f34615a015af161") + _two(CALLBACK_AT - 3) + bytes.fromhex("575f5ffd5b00")
    code = to_callback + forward + b"\x5b"
    assert len(code) == CALLBACK_AT
    return code + callback


CALLBACK_AT = 33
REVERTING = bytes.fromhex("60015f555f5ffd")
ENDLESS = b"\x5b\x61" + CALLBACK_AT.to_bytes(2, "big") + b"\x56"
BURNING = bytes.fromhex("6130ff5f526002601e47f000")
"""Creates a contract with all it has, which destroys itself and that."""
LEAVING = bytes.fromhex("73" + SINK.hex() + "ff")
"""SELFDESTRUCT: a contract that was there before keeps its code, and pays all it has to the SINK."""


_AWAITED = OUTBOX_CONTRACT.methods["awaitedCallback"][0].hex()
ASKING = bytes.fromhex("63" + _AWAITED + "60e01b5f52" + "600435600452" + "60205f60245f615a015afa" + "5f5101" + "5f5500")
"""Keeps whether that call succeeded, and with it the first word of what Outbox says of its own callback: 1 where it awaits none."""


def onward(shard: int, to: bytes, gas: int, callback_gas: int, refund_to: bytes) -> bytes:
    """A callback that calls another shard again, with a callback and all it has."""
    data = OUTBOX_CONTRACT.encode_call("sendWithCallback", shard, to, gas, callback_gas, refund_to, b"")
    code = b"\x61" + _two(len(data)) + b"\x61" + _two(CALLBACK_AT + 29) + bytes.fromhex("5f39")
    code += bytes.fromhex("5f5f61") + _two(len(data)) + bytes.fromhex("5f47615a015af1")
    code += b"\x61" + _two(CALLBACK_AT + 27) + bytes.fromhex("575f5ffd5b00")
    assert len(code) == 29
    return code + data


def leaving_at_birth(call: bytes) -> bytes:
    """Init code of a contract that calls Outbox with all it was given, and destroys itself."""
    code = b"\x61" + _two(len(call)) + b"\x61" + _two(23) + bytes.fromhex("5f39")
    code += bytes.fromhex("5f5f61") + _two(len(call)) + bytes.fromhex("5f47615a015af1505fff")
    assert len(code) == 23
    return code + call
