"""Random contracts: every instruction, mostly with what it needs on the stack, jumps and loops, and bytes gone wrong."""

import random

ARITHMETIC = tuple(range(0x01, 0x0C)) + tuple(range(0x10, 0x1E))
POPS = {**dict.fromkeys(ARITHMETIC, 2), 0x08: 3, 0x09: 3, 0x15: 1, 0x19: 1}
CONTEXT = (0x30, 0x32, 0x33, 0x34, 0x36, 0x38, 0x3A, 0x3D, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x4A, 0x58, 0x59, 0x5A)
ANY = (*ARITHMETIC, *CONTEXT, *range(0x31, 0x60), 0x20, 0x80, 0x81, 0x82, 0x8F, 0x90, 0x91, 0x9F, *range(0xA0, 0xA5),
       0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xFA, 0xFD, 0xFE, 0xFF, 0x0C)  # fmt: skip
BY_PLACE = (0x0A, 0x0B, 0x1A, 0x1B, 0x1C, 0x1D)
"""Whose first operand means something where it is small."""
WORDS = (0, 1, 2, 3, 31, 32, 33, 64, 255, 256, 2**64 - 1, 2**128, 2**160 - 1, 2**255 - 1, 2**255, 2**256 - 2, 2**256 - 1)


class Writer:
    """Writes one contract."""

    def __init__(self, chance: random.Random, places: tuple[bytes, ...]) -> None:
        self.chance, self.places = chance, places
        self.code = bytearray()
        self.labels: list[int] = []
        self.jumps: list[int] = []

    def push(self, value: int, size: int = 0) -> None:
        size = size or (value.bit_length() + 7) // 8
        self.code.append(0x5F + size)
        self.code += value.to_bytes(size, "big")

    def word(self) -> None:
        kind = self.chance.random()
        if kind < 0.5:
            self.push(self.chance.choice(WORDS))
        elif kind < 0.7:
            self.push(self.chance.randrange(256))
        elif kind < 0.8:
            self.push(self.chance.getrandbits(self.chance.randrange(1, 257)))
        elif kind < 0.9:
            self.code.append(self.chance.choice(CONTEXT))
        else:
            self.code.append(0x80 + self.chance.choice((0, 0, 1, 2, 5, 15)))

    def small(self) -> None:
        self.push(self.chance.choice((0, 0, 1, 4, 31, 32, 64, 65, 100, self.chance.randrange(300))))

    def slot(self) -> None:
        self.push(self.chance.randrange(4))

    def place(self) -> None:
        self.push(int.from_bytes(self.chance.choice(self.places), "big"), 20)

    def gas(self) -> None:
        if self.chance.random() < 0.5:
            self.code.append(0x5A)
        else:
            self.push(self.chance.choice((0, 100, 2300, 5000, 30_000)))

    def jump(self) -> None:
        """To a label there is, or one that may come."""
        if self.chance.random() < 0.85:
            if self.labels and self.chance.random() < 0.4:
                self.push(self.chance.choice(self.labels), 2)
            else:
                self.jumps.append(len(self.code) + 1)
                self.push(0, 2)
        elif self.chance.random() < 0.5:
            self.push(self.chance.randrange(len(self.code) + 30))
        else:
            self.word()

    def label(self) -> None:
        self.labels.append(len(self.code))
        self.code.append(0x5B)

    def loop(self) -> None:
        """A few rounds over something cheap, counted on the stack."""
        self.push(self.chance.choice((2, 3, 9, 40)))
        start = len(self.code)
        self.label()
        for _ in range(self.chance.randrange(1, 4)):
            self.arithmetic() if self.chance.random() < 0.6 else self.storing()
            self.code.append(0x50)
        self.code += bytes((0x60, 1, 0x90, 0x03, 0x80))
        self.push(start, 2)
        self.code.append(0x57)
        if self.chance.random() < 0.7:
            self.code.append(0x50)

    def keep(self) -> None:
        """Stores the top of the stack where it is seen."""
        if self.chance.random() < 0.5:
            self.slot()
            self.code.append(0x55)
        else:
            self.small()
            self.code.append(0x52)

    def digest(self) -> None:
        """Stores what memory and the stack hold."""
        self.code += b"\x18" * self.chance.choice((0, 0, 5, 12))
        self.code += bytes.fromhex("5f5280600355") + bytes.fromhex("595f20600255")

    def arithmetic(self) -> None:
        opcode = self.chance.choice(ARITHMETIC)
        for _ in range(POPS[opcode] - 1):
            self.word()
        if opcode in BY_PLACE and self.chance.random() < 0.7:
            self.push(self.chance.choice((0, 1, 7, 29, 30, 31, 32, 33, 255, 256, 257)))
        else:
            self.word()
        self.code.append(opcode)

    def storing(self) -> None:
        """Leaves a word, as `arithmetic` does."""
        kind = self.chance.randrange(9)
        if kind == 0:
            self.slot()
            self.code.append(0x54)
        elif kind == 1:
            self.word() if self.chance.random() < 0.5 else self.push(self.chance.randrange(2))
            self.slot()
            self.code += b"\x55\x5a"
        elif kind == 2:
            self.slot()
            self.code.append(0x5C)
        elif kind == 3:
            self.word()
            self.slot()
            self.code += b"\x5d\x59"
        elif kind == 4:
            self.small()
            self.code.append(0x51)
        elif kind == 5:
            self.word()
            self.small()
            self.code += bytes((self.chance.choice((0x52, 0x53)), 0x59))
        elif kind == 6:
            self.small()
            self.small()
            self.code.append(0x20)
        elif kind == 7:
            self.small()
            self.code.append(0x35)
        else:
            for _ in range(3):
                self.small()
            self.code += bytes((self.chance.choice((0x37, 0x39, 0x5E, 0x3E) if self.chance.random() < 0.4 else (0x37, 0x39, 0x5E)), 0x3D))

    def looking(self) -> None:
        opcode = self.chance.choice((0x31, 0x3B, 0x3C, 0x3F, 0x40, 0x49))
        if opcode == 0x3C:
            for _ in range(3):
                self.small()
        self.place() if self.chance.random() < 0.8 else self.word()
        self.code.append(opcode)

    def log(self) -> None:
        count = self.chance.randrange(5)
        for _ in range(count):
            self.word()
        self.small()
        self.small()
        self.code.append(0xA0 + count)

    def call(self) -> None:
        opcode = self.chance.choice((0xF1, 0xF1, 0xF1, 0xF2, 0xF4, 0xFA))
        for _ in range(4):
            self.small()
        if opcode in (0xF1, 0xF2):
            self.push(self.chance.choice((0, 0, 0, 1, 3)))
        self.place()
        self.gas()
        self.code.append(opcode)
        if self.chance.random() < 0.3:
            self.code.append(0x50)

    def create(self) -> None:
        """From a few bytes of init code in memory."""
        inner = Writer(self.chance, self.places)
        for _ in range(self.chance.randrange(1, 4)):
            inner.step(False)
        init = bytes(inner.code)[:24] + self.chance.choice((b"", bytes.fromhex("60015ff3"), bytes.fromhex("5f5ffd"), bytes.fromhex("30ff")))
        init = init[:32]
        self.push(int.from_bytes(init.ljust(32, b"\0"), "big"), 32)
        self.code += b"\x5f\x52"
        opcode = self.chance.choice((0xF0, 0xF5))
        if opcode == 0xF5:
            self.push(self.chance.randrange(3))
        self.push(len(init))
        self.push(0)
        self.push(self.chance.choice((0, 0, 1)))
        self.code.append(opcode)
        if self.chance.random() < 0.5:
            self.code += bytes.fromhex("5f5f5f5f5f85") + b"\x5a\xf1"

    def end(self) -> None:
        kind = self.chance.random()
        if kind < 0.7:
            self.small()
            self.small()
            self.code.append(0xF3 if kind < 0.45 else 0xFD)
        elif kind < 0.8:
            self.place()
            self.code.append(0xFF)
        elif kind < 0.9:
            self.code.append(0)
        else:
            self.code.append(0xFE)

    def step(self, deep: bool = True) -> None:
        kind = self.chance.random()
        if kind < 0.12:
            self.arithmetic()
            self.keep()
        elif kind < 0.3:
            self.arithmetic()
        elif kind < 0.5:
            self.storing()
        elif kind < 0.57:
            self.code.append(self.chance.choice((0x80, 0x81, 0x85, 0x8F, 0x90, 0x91, 0x94, 0x9F, 0x50, 0x50)))
        elif kind < 0.63:
            self.label()
        elif kind < 0.71:
            self.arithmetic() if self.chance.random() < 0.7 else self.word()
            self.jump()
            self.code.append(0x57)
        elif kind < 0.73:
            self.jump()
            self.code.append(0x56)
        elif kind < 0.78:
            self.loop()
        elif kind < 0.82:
            self.looking()
        elif kind < 0.86:
            self.log()
        elif kind < 0.94 and deep:
            self.call()
        elif kind < 0.97 and deep:
            self.create()
        elif kind < 0.975:
            self.end()
        elif kind < 0.99:
            self.digest()
        else:
            self.code.append(self.chance.choice(ANY))

    def write(self) -> bytes:
        """The code of a contract."""
        for _ in range(self.chance.choice((0, 2, 17, 18, 18))):
            self.push(self.chance.choice(WORDS))
        if self.chance.random() < 0.03:
            # Up to where the stack is full.
            self.code += b"\x80" * self.chance.randrange(985, 1030)
        for _ in range(self.chance.randrange(2, 30)):
            self.step()
        if self.chance.random() < 0.5:
            self.digest()
        if self.chance.random() < 0.9:
            self.end()
        for at in self.jumps:
            ahead = [label for label in self.labels if label > at]
            self.code[at : at + 2] = (self.chance.choice(ahead) if ahead else self.chance.randrange(300)).to_bytes(2, "big")
        if self.chance.random() < 0.08:
            self.code[self.chance.randrange(len(self.code))] = self.chance.choice(ANY)
        if self.chance.random() < 0.05:
            # Cut off, perhaps within what is pushed.
            del self.code[self.chance.randrange(1, len(self.code) + 1) :]
        return bytes(self.code)
