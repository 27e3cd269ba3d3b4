"""EIP-55: an address with letters of both cases is checked for typing errors."""

import click
import pytest

from node.cli.options import ADDRESS, with_checksum
from node.cluster.accounts import TEST_ACCOUNTS


def test_the_known_accounts_carry_their_checksum() -> None:
    assert [with_checksum(account.address.lower()) for account in TEST_ACCOUNTS] == [account.address for account in TEST_ACCOUNTS]


@pytest.mark.parametrize("write", [str.lower, lambda text: "0x" + text[2:].upper(), str])
def test_one_case_or_the_right_ones_pass(write) -> None:
    address = TEST_ACCOUNTS[1].address
    assert ADDRESS.convert(write(address), None, None) == address.lower()


def test_a_letter_in_the_wrong_case_is_refused() -> None:
    address = TEST_ACCOUNTS[1].address
    place = next(i for i in range(2, 42) if address[i].isalpha())
    wrong = address[:place] + address[place].swapcase() + address[place + 1 :]
    with pytest.raises(click.BadParameter, match="EIP-55"):
        ADDRESS.convert(wrong, None, None)
