"""What /health says besides: the channels that wait, and since when."""

from node.chaos import Suffered
from node.health import health_fields
from node.loop import clocks
from node.metrics import NodeMetrics
from tests.node.core.test_channels import page, totals
from tests.node.support import make_core


async def test_what_lacks_is_told_until_it_is_here():
    core = make_core()
    assert health_fields(core, None, Suffered()) == {"faults": [], "waiting": []}
    began = clocks().monotonic_ms - 5_000
    channel = core.shards[1].inbound.channels[0]
    channel.advance_target(totals(2), began)
    channel.advance_target(totals(3), began + 4_000)
    (waiting,) = health_fields(core, None, Suffered())["waiting"]
    assert (waiting["channel"], waiting["nonces"]) == ("0:1", [0, 2])
    assert 5.0 <= waiting["seconds"] < 60, "since the first that lacks"
    samples = NodeMetrics(core).render().decode()
    lacking = [line for line in samples.splitlines() if line.startswith("shardnet_bundle_missing_seconds{")]
    told = {line.partition(" ")[0]: float(line.partition(" ")[2]) for line in lacking}
    assert 5.0 <= told.pop('shardnet_bundle_missing_seconds{destination="1",source="0"}') < 60
    assert set(told.values()) == {0.0}
    channel.offer(page(0, 3), began + 5_000)
    assert health_fields(core, None, Suffered())["waiting"] == []
