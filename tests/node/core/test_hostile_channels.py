"""What a peer pushes before anybody can tell whether it is true."""

from primitives.errors import InvalidReceipts
from tests.node.core.test_channels import RECEIPTS, channel, page, receipt, totals


def test_a_forged_page_kept_for_later_neither_raises_nor_stands_in_the_way():
    inbound = channel()
    forged = type(page(0, 3))(0, 1, 0, totals(0).accumulator, (receipt(0, 10**18), *RECEIPTS[1:3]))
    assert not inbound.offer(forged, 0)
    try:
        inbound.advance_target(totals(3), 5)
    except InvalidReceipts as error:
        raise AssertionError("what waits is judged without an end of the node") from error
    assert inbound.forged == 1
    assert inbound.gap() == (0, 3)
    assert inbound.offer(page(0, 3), 6)
    assert inbound.available(0, 3) == RECEIPTS[:3]
