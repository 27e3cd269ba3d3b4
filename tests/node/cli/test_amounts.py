import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.cli.options import ADDRESS, COINS, SENDER, show_coins
from node.cluster.accounts import TEST_ACCOUNTS


@pytest.mark.parametrize(
    ("text", "wei"),
    [
        ("1.5", 15 * 10**17),
        ("0", 0),
        ("0.000000000000000001", 1),
        ("1e3", 10**21),
        ("10000", 10**22),
        ("999.999999999999999999", 10**21 - 1),
    ],
)
def test_coins_become_wei(text: str, wei: int) -> None:
    assert COINS.convert(text, None, None) == wei


@given(st.integers(0, 10**39 - 1))
def test_what_is_shown_can_be_given(wei: int) -> None:
    assert COINS.convert(show_coins(wei).replace(",", ""), None, None) == wei


def test_accounts_by_number() -> None:
    assert ADDRESS.convert("3", None, None) == TEST_ACCOUNTS[3].address.lower()
    assert SENDER.convert("3", None, None) == TEST_ACCOUNTS[3].key
    assert SENDER.convert(TEST_ACCOUNTS[4].key[2:], None, None) == TEST_ACCOUNTS[4].key


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "nan", "inf", "-1", "1e-19", "1.0000000000000000001", "", "1,5"])
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(click.BadParameter):
        COINS.convert(text, None, None)
