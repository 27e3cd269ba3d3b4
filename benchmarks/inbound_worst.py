"""Seconds a million gas takes at its worst: programs made to be slow, each delivered as a call from another shard.

The gas that calls may use in a block, and the factors of slow precompiles, follow from it (docs/decisions/0009).
"""

from __future__ import annotations

import gc
import hashlib
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from eth_utils import keccak
from py_ecc import optimized_bls12_381 as bls12_381
from py_ecc import optimized_bn128 as bn128

from benchmarks.statistics import Figure
from primitives.blocks import ChannelTerms, ShardReference
from primitives.callbacks import CALLBACK_GAS_BYTES, Outcome
from primitives.genesis import GenesisAccount
from primitives.parameters import Parameters
from primitives.receipts import EMPTY_CHANNEL, RECEIPT_DATA_BYTES_MAX, RECEIPT_FIXED_BYTES, CrossShardReceipt, ReceiptKind, alias_of
from shard.contracts import OUTBOX, OUTBOX_CONTRACT
from shard.engine.interface import BlockContext
from shard.engine.reference import ReferenceEngine
from shard.engine.reference.code import without_pushes
from shard.inbound import CREDIT_GAS, PRECOMPILE_GAS_FACTORS

TARGET, HELPER = b"\xa0" * 20, b"\xa1" * 20
CODE_BYTES_MAX = 24_576
GAS = 1_000_000
"""Of one call: `receipt_gas_max`."""
SHOWN = 8
"""Programs of each family."""
BLOCK_SECONDS_MAX = 1.0
UNKNOWN_KIND = 9
PRICE = 10**9
PUSH0, PUSH1, PUSH2, PUSH3, PUSH20, PUSH32 = 0x5F, 0x60, 0x61, 0x62, 0x73, 0x7F
POP, JUMP, JUMPI, JUMPDEST, STOP = 0x50, 0x56, 0x57, 0x5B, 0x00
CALL = 0xF1


@dataclass(frozen=True, slots=True)
class Program:
    """Contracts, and what a call to TARGET costs."""

    name: str
    code: bytes
    others: dict[bytes, bytes] = field(default_factory=dict)
    precompile: int = 0
    """Its address; 0 where the program is about something else."""
    data: bytes = b""
    """What it is called with."""
    gas: int = GAS


def push(value: int) -> bytes:
    """The shortest PUSH of a number."""
    width = (value.bit_length() + 7) // 8
    return bytes([PUSH0 + width]) + value.to_bytes(width, "big")


def loop(body: bytes, before: bytes = b"", copies: int = 0, to_the_end: bool = False) -> bytes:
    """`before`, then `body` as often as code may hold (or `copies` times), over and over.

    Args:
        body: leaves the stack as it found it.
        before: runs once.
        copies: of the body in one round of the loop; 0 for as many as fit.
        to_the_end: stop when gas gets scarce, so that what was written stays; otherwise run out of it.
    """
    start = len(before)
    head = bytes([JUMPDEST])
    if to_the_end:
        head += push(40_000) + bytes([0x5A, 0x10, PUSH2]) + (CODE_BYTES_MAX - 2).to_bytes(2, "big") + bytes([JUMPI])
        copies = 1
    tail = bytes([PUSH2]) + start.to_bytes(2, "big") + bytes([JUMP])
    room = CODE_BYTES_MAX - start - len(head) - len(tail) - 2
    code = before + head + body * (copies or room // len(body)) + tail
    return code.ljust(CODE_BYTES_MAX - 2, bytes([STOP])) + bytes([JUMPDEST, STOP])


def call(to: int, size: int = 0, gas: int = 0xFFFFFF, opcode: int = CALL, out: int = 0) -> bytes:
    """Calls an account with the first `size` bytes of memory and drops what it says."""
    value = bytes([PUSH0]) if opcode in (CALL, 0xF2) else b""
    return push(out) + bytes([PUSH0]) + push(size) + bytes([PUSH0]) + value + push(to) + push(gas) + bytes([opcode, POP])


def calling(name: str, number: int, data: bytes, gas: int = GAS) -> Program:
    """Calls a precompile with `data` over and over; the data stands behind the code."""

    def build(offset: int) -> bytes:
        return push(len(data)) + bytes([PUSH2]) + offset.to_bytes(2, "big") + bytes([PUSH0, 0x39, JUMPDEST]) + call(number, len(data))

    start = len(build(0)) - len(call(number, len(data))) - 1
    end = bytes([PUSH2]) + start.to_bytes(2, "big") + bytes([JUMP])
    length = len(build(0)) + len(end)
    return Program(name, build(length) + end + data, precompile=number, data=data, gas=gas)


def _operators() -> list[Program]:
    """Every operator of the stack, each as often as its operands allow."""
    largest = push(2**256 - 1)
    programs = [
        Program(f"0x{opcode:02x} on nothing, POP", loop(bytes([opcode, POP])))
        for opcode in (
            0x30,
            0x32,
            0x33,
            0x34,
            0x36,
            0x38,
            0x3A,
            0x3D,
            0x41,
            0x42,
            0x43,
            0x44,
            0x45,
            0x46,
            0x47,
            0x48,
            0x4A,
            0x58,
            0x59,
            0x5A,
            0x5F,
        )
    ]
    for opcode in (0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x0B, 0x10, 0x11, 0x12, 0x13, 0x14, 0x16, 0x17, 0x18, 0x1A, 0x1B, 0x1C, 0x1D):
        programs.append(Program(f"0x{opcode:02x} on large numbers", loop(bytes([0x81, opcode]), largest + largest)))
        programs.append(Program(f"0x{opcode:02x} on a small and a large number", loop(bytes([0x81, 0x81, opcode, POP]), largest + push(3))))
    for opcode in (0x08, 0x09):
        programs.append(Program(f"0x{opcode:02x} on large numbers", loop(bytes([0x82, 0x82, 0x82, opcode, POP]), largest * 3)))
    programs += [
        Program("ISZERO", loop(bytes([0x15]), largest)),
        Program("NOT", loop(bytes([0x19]), largest)),
        Program("EXP of exponent 0", loop(bytes([PUSH0, 0x81, 0x0A, POP]), largest)),
        Program("EXP of 32 bytes", loop(bytes([0x80, 0x80, 0x0A, POP]), largest)),
        Program("JUMPDEST", loop(bytes([JUMPDEST]))),
        Program("PUSH32 POP", loop(largest + bytes([POP]))),
        Program("PUSH1 POP", loop(bytes([PUSH1, 1, POP]))),
        Program("DUP1 POP", loop(bytes([0x80, POP]), largest)),
        Program("DUP16 POP", loop(bytes([0x8F, POP]), bytes([PUSH0] * 16))),
        Program("SWAP1", loop(bytes([0x90]), bytes([PUSH0] * 2))),
        Program("SWAP16", loop(bytes([0x9F]), bytes([PUSH0] * 17))),
        Program("JUMPI not taken", loop(bytes([PUSH0, PUSH0, JUMPI]))),
        Program("JUMP in a tight loop", bytes([JUMPDEST, PUSH0, JUMP])),
        Program("JUMPI in a tight loop", bytes([JUMPDEST, 0x5A, PUSH0, JUMPI])),
    ]
    return programs


def _memory() -> list[Program]:
    full = push(1) + push(250_000) + bytes([0x53])
    programs = [
        Program("MLOAD", loop(bytes([PUSH0, 0x51, POP]))),
        Program("MSTORE", loop(bytes([0x80, PUSH0, 0x52]), push(2**256 - 1))),
        Program("MSTORE8", loop(bytes([0x80, PUSH0, 0x53]), push(255))),
        Program("CALLDATALOAD", loop(bytes([PUSH0, 0x35, POP]))),
        Program("MCOPY of nothing", loop(bytes([PUSH0, PUSH0, PUSH0, 0x5E]))),
        Program("MCOPY of 128 KiB", loop(push(131_072) + bytes([PUSH0, PUSH0, 0x5E]), full)),
        Program("CALLDATACOPY of nothing", loop(bytes([PUSH0, PUSH0, PUSH0, 0x37]))),
        Program("CALLDATACOPY of 32 bytes", loop(push(32) + bytes([PUSH0, PUSH0, 0x37]))),
        Program("CODECOPY of 24 KiB", loop(push(24_576) + bytes([PUSH0, PUSH0, 0x39]), full)),
        Program("RETURNDATACOPY of nothing", loop(bytes([PUSH0, PUSH0, PUSH0, 0x3E]))),
        Program("memory a word at a time", loop(bytes([0x59, 0x51, POP]))),
        Program("KECCAK256 of nothing", loop(bytes([PUSH0, PUSH0, 0x20, POP]))),
        Program("KECCAK256 of 32 bytes", loop(push(32) + bytes([PUSH0, 0x20, POP]))),
        Program("KECCAK256 of 128 KiB", loop(push(131_072) + bytes([PUSH0, 0x20, POP]), full)),
    ]
    for topics in range(5):
        programs.append(Program(f"LOG{topics}", loop(bytes([PUSH0] * (2 + topics) + [0xA0 + topics]), to_the_end=True)))
    programs.append(Program("LOG0 of 4 KiB", loop(push(4096) + bytes([PUSH0, 0xA0]), to_the_end=True)))
    return programs


def _state() -> list[Program]:
    here, gas = 0x30, 0x5A
    cold = [hashlib.sha256(b"%d" % number).digest()[:20] for number in range(380)]
    return [
        Program("SLOAD, warm", loop(bytes([PUSH0, 0x54, POP]))),
        Program("SLOAD, cold", loop(bytes([gas, 0x54, POP]))),
        Program("TLOAD", loop(bytes([PUSH0, 0x5C, POP]))),
        Program("TSTORE", loop(bytes([gas, gas, 0x5D]), to_the_end=True)),
        Program("SSTORE of a new slot", loop(bytes([gas, gas, 0x55]), to_the_end=True)),
        Program("SSTORE of a written slot", loop(bytes([gas, PUSH0, 0x55]), to_the_end=True)),
        Program("SSTORE of what is there", loop(bytes([PUSH0, PUSH0, 0x55]))),
        Program("BALANCE, warm", loop(bytes([here, 0x31, POP]))),
        Program("BALANCE, cold", loop(bytes([gas, 0x31, POP]))),
        Program("EXTCODESIZE, warm", loop(bytes([here, 0x3B, POP]))),
        Program("EXTCODEHASH, warm", loop(bytes([here, 0x3F, POP]))),
        Program("EXTCODECOPY of nothing", loop(bytes([PUSH0, PUSH0, PUSH0, here, 0x3C]))),
        Program("EXTCODECOPY of 24 KiB", loop(push(24_576) + bytes([PUSH0, PUSH0, here, 0x3C]))),
        Program("BLOCKHASH", loop(bytes([0x43, push(1)[0], 1, 0x90, 0x03, 0x40, POP]))),
        Program(
            f"{len(cold)} different contracts of full size that jump",
            b"".join(call(int.from_bytes(a, "big"), gas=100) for a in cold),
            {a: _jumper(n) for n, a in enumerate(cold)},
        ),
    ]


def _jumper(number: int = 0) -> bytes:
    """A contract of full size that jumps to its end, behind as many PUSH1 as fit."""
    head = push(number) + bytes([POP]) + bytes([PUSH2]) + (CODE_BYTES_MAX - 1).to_bytes(2, "big") + bytes([JUMP])
    filling = CODE_BYTES_MAX - len(head) - 1
    return head + bytes([STOP] * (filling % 2)) + bytes([PUSH1] * (filling - filling % 2)) + bytes([JUMPDEST])


def _frames() -> list[Program]:
    helper = int.from_bytes(HELPER, "big")
    full = push(1) + push(400_000) + bytes([0x53])
    returning = push(1) + push(16_384) + bytes([0x53]) + push(16_384) + bytes([PUSH0, 0xF3])
    emitter = bytes([PUSH0, PUSH0, 0xA0, STOP])
    programs = [Program(f"0x{opcode:02x} of an empty account", loop(call(helper, opcode=opcode))) for opcode in (CALL, 0xF2, 0xF4, 0xFA)]
    programs += [
        Program("CALL with gas 0 of a contract", loop(call(helper, gas=0)), {HELPER: b"\0"}),
        Program("CALL of a contract that jumps to its end", loop(call(helper, gas=50)), {HELPER: _jumper()}),
        Program("CALL with 390 KiB of data", loop(call(helper, 400_000), full), {HELPER: b"\0"}),
        Program("DELEGATECALL with 390 KiB of data", loop(call(helper, 400_000, opcode=0xF4), full), {HELPER: b"\0"}),
        Program("CALL that returns 16 KiB", loop(call(helper)), {HELPER: returning}),
        Program("CALL that fails", loop(call(helper, gas=3)), {HELPER: b"\xfe"}),
        Program(
            "CALL with value",
            loop(bytes([PUSH0, PUSH0, PUSH0, PUSH0, PUSH1, 1]) + push(helper) + bytes([0x5A, CALL, POP]), to_the_end=True),
        ),
        Program("CALL of oneself as deep as it goes", call(int.from_bytes(TARGET, "big")) * 3),
        Program("CALL of a contract that logs", loop(call(helper), to_the_end=True), {HELPER: emitter}),
        Program("CREATE of nothing", loop(bytes([PUSH0, PUSH0, PUSH0, 0xF0, POP]), to_the_end=True)),
        Program("CREATE with 48 KiB of init code", loop(push(49_152) + bytes([PUSH0, PUSH0, 0xF0, POP]), _init_code(), to_the_end=True)),
        Program("CREATE2 of nothing", loop(bytes([0x5A, PUSH0, PUSH0, PUSH0, 0xF5, POP]), to_the_end=True)),
        Program(
            "CREATE that destroys itself",
            loop(push(2) + push(30) + bytes([PUSH0, 0xF0, POP]), push(0x30FF) + bytes([PUSH0, 0x52]), to_the_end=True),
        ),
    ]
    return programs


def _init_code() -> bytes:
    """Fills memory with PUSH1, a jump over them before and its destination behind."""
    return (
        push(1)
        + bytes([PUSH0, 0x52])
        + push(int.from_bytes(bytes([PUSH2]) + (49_151).to_bytes(2, "big") + bytes([JUMP] + [PUSH1] * 28), "big"))
        + bytes([PUSH0, 0x52])
        + push(int.from_bytes(bytes([PUSH1] * 32), "big"))
        + push(32)
        + bytes([0x52])
        + push(49_152 - 64)
        + push(32)
        + push(64)
        + bytes([0x5E])
        + push(JUMPDEST)
        + push(49_151)
        + bytes([0x53])
    )


def _word(value: int, size: int = 32) -> bytes:
    return value.to_bytes(size, "big")


def _precompiles() -> list[Program]:
    n1, n2 = (tuple(int(c) for c in bn128.normalize(bn128.G1)), bn128.normalize(bn128.G2))
    bn_g1 = b"".join(map(_word, n1))
    bn_g2 = b"".join(_word(int(c)) for point in n2 for c in reversed(point.coeffs))
    b1 = b"".join(_word(int(c), 64) for c in bls12_381.normalize(bls12_381.G1))
    b2 = b"".join(_word(int(c), 64) for point in bls12_381.normalize(bls12_381.G2) for c in point.coeffs)
    scalar, field1 = _word(bls12_381.curve_order - 1), _word(bls12_381.field_modulus - 1, 64)
    infinity = b"\xc0" + bytes(47)
    kzg = b"\x01" + hashlib.sha256(infinity).digest()[1:] + _word(5) + _word(0) + infinity + infinity
    signature = keccak(b"m") + _word(27) + _word(0x1234567890ABCDEF << 128 | 7) + _word(0x234567890ABCDEF << 128 | 5)

    def modexp(base: int, exponent: int, modulus: int) -> bytes:
        # numbers without form: of a base that is 0 or 1 by the modulus every power is trivial
        chance = random.Random(base << 40 | exponent << 20 | modulus)
        odd = chance.randbytes(modulus - 1) + bytes([chance.randrange(128, 256) | 1])
        return _word(base) + _word(exponent) + _word(modulus) + chance.randbytes(base) + b"\xff" * exponent + odd

    programs = [
        calling("ecrecover", 1, signature),
        calling("sha256 of nothing", 2, b""),
        calling("sha256 of 16 KiB", 2, bytes(16_384)),
        calling("ripemd160 of nothing", 3, b""),
        calling("ripemd160 of 16 KiB", 3, bytes(16_384)),
        calling("identity of nothing", 4, b""),
        calling("identity of 16 KiB", 4, bytes(16_384)),
    ]
    for base, exponent, modulus in (
        (1, 1, 1),
        (8, 32, 8),
        (32, 32, 32),
        (256, 3, 256),
        (64, 512, 64),
        (1, 4096, 1),
        (8, 2048, 8),
        (8, 20_000, 8),
        (1024, 32, 1024),
    ):
        programs.append(calling(f"modexp {base} ^ {exponent} mod {modulus} bytes", 5, modexp(base, exponent, modulus)))
    programs += [
        calling("bn128 add", 6, bn_g1 + bn_g1),
        calling("bn128 mul", 7, bn_g1 + _word(2**256 - 1)),
        *(calling(f"bn128 pairing of {k}", 8, (bn_g1 + bn_g2) * k) for k in (0, 1, 2, 8)),
        calling("blake2 of 0 rounds", 9, bytes(213)),
        calling("blake2 of 5,000 rounds", 9, _word(5000, 4) + bytes(209)),
        calling("KZG point evaluation", 10, kzg),
        calling("BLS G1 add", 0x0B, b1 + b1),
        *(calling(f"BLS G1 MSM of {k}", 0x0C, (b1 + scalar) * k) for k in (1, 4, 16, 64)),
        calling("BLS G2 add", 0x0D, b2 + b2),
        *(calling(f"BLS G2 MSM of {k}", 0x0E, (b2 + scalar) * k) for k in (1, 4, 16, 64)),
        *(calling(f"BLS pairing of {k}", 0x0F, (b1 + b2) * k) for k in (1, 2, 8)),
        calling("BLS map to G1", 0x10, field1),
        calling("BLS map to G2", 0x11, field1 * 2),
    ]
    return programs


FAMILIES: dict[str, Callable[[], list[Program]]] = {
    "operators": _operators, "memory": _memory, "state": _state, "frames": _frames, "precompiles": _precompiles,
}  # fmt: skip


def call_of(program: Program, nonce: int = 0) -> CrossShardReceipt:
    """The receipt that runs a program."""
    fee = 2 * program.gas * PRICE
    return CrossShardReceipt(1, 0, nonce, ReceiptKind.CALL, b"\xb0" * 20, TARGET, 0, program.gas, fee, b"\xfe" * 20, b"")


def filling(count: int, kind: int, first: int = 0, size: int = 0) -> list[CrossShardReceipt]:
    """Receipts that run no code."""
    return [
        CrossShardReceipt(1, 0, first + i, kind, b"\xb0" * 20, i.to_bytes(20, "big"), 1, 0, 0, b"\xfe" * 20, bytes(size))
        for i in range(count)
    ]


def with_callback(count: int, parameters: Parameters) -> tuple[list[CrossShardReceipt], list[CrossShardReceipt]]:
    """Receipts that make accounts call shard 1 with a callback, and the results of these calls, with all the data they may have."""
    gas, sender = 21_000, b"\xb0" * 20
    alias, price, fee = alias_of(1, sender), 2 * gas * PRICE, 2 * gas * PRICE
    call = OUTBOX_CONTRACT.encode_call("sendWithCallback", 1, TARGET, gas, gas, sender, b"")
    asking = [
        CrossShardReceipt(1, 0, i, ReceiptKind.CALL, sender, OUTBOX, price + fee, 300_000, 600_000 * PRICE, sender, call)
        for i in range(count)
    ]
    results = []
    for i in range(count):
        asked = CrossShardReceipt(
            0, 1, 2 * i, ReceiptKind.CALL_WITH_CALLBACK, alias, TARGET, 0, gas, fee, sender, gas.to_bytes(CALLBACK_GAS_BYTES, "big")
        )
        told = Outcome(asked.identity(parameters.chain_id_base), True, b"\1" * parameters.callback_data_max)
        results.append(CrossShardReceipt(1, 0, count + i, ReceiptKind.RESULT, OUTBOX, alias, 1, gas, 0, sender, told.encode()))
    return asking, results


def deliver(
    receipts: Sequence[CrossShardReceipt], contracts: dict[bytes, bytes], parameters: Parameters, before: Sequence[CrossShardReceipt] = ()
) -> tuple[int, float]:
    """Gas that the receipts use, and seconds of processor time their block takes; a block with those of `before` precedes it."""
    nodes: dict[bytes, bytes] = {}
    engine = ReferenceEngine(parameters, 0, nodes)
    genesis = engine.genesis([GenesisAccount(address=a, nonce=1, balance=10**18, code=code) for a, code in contracts.items()])
    nodes.update(genesis.writes)
    channels = parameters.shard_count + 1
    reference = ShardReference(b"\1" * 32, 1, 0, b"\2" * 32, (ChannelTerms(PRICE, 0),) * channels, (EMPTY_CHANNEL,) * channels)
    context = BlockContext(1000, 1000, bytes(20), parameters.gas_limit, PRICE, b"\3" * 32, reference, lambda number: b"\4" * 32)
    root = genesis.state_root
    if before:
        first = engine.begin(root, context)
        for receipt in before:
            first.deliver(receipt)
        done = first.finish()
        nodes.update(done.writes)
        root = done.state_root
    gc.collect()
    without_pushes.cache_clear()
    began = time.process_time()
    block = engine.begin(root, context)
    for receipt in receipts:
        block.deliver(receipt)
    return block.finish().gas_used, time.process_time() - began


def seconds_per_million(program: Program) -> float:
    """Of what a call of the program counts."""
    used, seconds = deliver([call_of(program)], {TARGET: program.code, **program.others}, Parameters())
    return seconds / used * 1e6


def measure_inbound_worst() -> list[Figure]:
    """The dearest programs of each family, and blocks as full of inbound receipts as the parameters allow."""
    rules, figures, blocks = Parameters(), [], []
    for family, programs in FAMILIES.items():
        measured = sorted(((seconds_per_million(program), program) for program in programs()), key=lambda pair: -pair[0])
        for seconds, program in measured[:SHOWN]:
            factor = PRECOMPILE_GAS_FACTORS.get(program.precompile, 1)
            words = f" ({factor} x its gas)" if factor > 1 else ""
            figures.append(Figure("inbound-worst", f"{family}: {program.name}{words}", seconds, "s a million gas"))
        worst = measured[0][1]
        calls = [call_of(worst, nonce) for nonce in range(rules.inbound_call_gas_max // worst.gas)]
        credits = filling((rules.inbound_gas_max - rules.inbound_call_gas_max) // CREDIT_GAS, ReceiptKind.CREDIT, len(calls))
        name = f"{len(calls)} calls ({worst.name}), {len(credits)} credits"
        blocks.append((name, [*calls, *credits], {TARGET: worst.code, **worst.others}))
    small = filling(rules.inbound_call_gas_max // CREDIT_GAS, ReceiptKind.CALL)
    large = filling(rules.inbound_bytes_max // (RECEIPT_FIXED_BYTES + RECEIPT_DATA_BYTES_MAX), UNKNOWN_KIND, size=RECEIPT_DATA_BYTES_MAX)
    blocks += [(f"{len(small)} calls that do not run", small, {}), (f"{len(large)} unknown kinds with 4 KiB", large, {})]
    for name, receipts, contracts in blocks:
        figures.append(Figure("inbound-worst", f"a block: {name}", deliver(receipts, contracts, rules)[1], "s", BLOCK_SECONDS_MAX))
    asking, results = with_callback(rules.inbound_call_gas_max // CREDIT_GAS, rules)
    for name, receipts, before in (
        (f"{len(results)} results with 1 KiB", results, asking),
        (f"{len(results)} calls with a callback that do not run", filling(len(results), ReceiptKind.CALL_WITH_CALLBACK), ()),
    ):
        figures.append(Figure("inbound-worst", f"a block: {name}", deliver(receipts, {}, rules, before)[1], "s", BLOCK_SECONDS_MAX))
    return figures
