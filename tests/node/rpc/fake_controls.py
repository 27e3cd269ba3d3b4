"""A developer's orders, noted and not carried out."""

from node.impersonated import Impersonated


class FakeControls:
    """Notes every order as (name, arguments...)."""

    def __init__(self) -> None:
        self.orders: list[tuple] = []
        self.impersonated = Impersonated()

    async def operate(self, shard, operation) -> None:
        self.orders.append(("operate", shard, operation))

    async def send(self, shard, wanted) -> bytes:
        self.orders.append(("send", shard, wanted))
        return b"\x5e" * 32

    async def snapshot(self) -> int:
        self.orders.append(("snapshot",))
        return 17

    async def revert(self, id) -> bool:
        self.orders.append(("revert", id))
        return id == 17

    async def mine(self, chain, count, interval_s) -> int:
        self.orders.append(("mine", chain, count, interval_s))
        return 10 + count

    async def set_automine(self, enabled) -> None:
        self.orders.append(("set_automine", enabled))

    async def jump_epoch(self) -> int:
        self.orders.append(("jump_epoch",))
        return 2

    async def increase_time(self, seconds) -> int:
        self.orders.append(("increase_time", seconds))
        return seconds

    async def set_next_timestamp(self, shard, timestamp) -> None:
        self.orders.append(("set_next_timestamp", shard, timestamp))
