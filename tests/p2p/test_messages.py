"""Requests on the wire: kinds, and what is no request."""

import pytest

from p2p.messages import GOSSIP_BYTES_MAX, BlocksByRoot, Status, decode_gossip, decode_request, decode_response, encode_request
from p2p.topics import TopicKind
from primitives.errors import EncodingReason, Fault, InvalidEncoding


@pytest.mark.parametrize("payload", [b"", b"\x40", b"\xff" * 100])
def test_an_unknown_kind_of_request_is_the_peers_fault(payload):
    with pytest.raises(InvalidEncoding) as refused:
        decode_request(payload)
    assert refused.value.reason is EncodingReason.UNKNOWN_KIND
    assert refused.value.fault is Fault.PEER


def test_a_known_kind_with_other_bytes_is_malformed():
    with pytest.raises(InvalidEncoding) as refused:
        decode_request(encode_request(BlocksByRoot(0, ())) + b"\1")
    assert refused.value.reason is EncodingReason.MALFORMED
    assert refused.value.fault is Fault.PEER


def test_gossip_over_its_size_is_refused_before_it_is_decoded():
    with pytest.raises(InvalidEncoding) as refused:
        decode_gossip(TopicKind.TRANSACTIONS, b"\0" * (GOSSIP_BYTES_MAX + 1))
    assert refused.value.reason is EncodingReason.TOO_LARGE


def test_an_empty_answer_means_not_here():
    assert decode_response(Status(b"\0" * 32, ()), b"") is None
