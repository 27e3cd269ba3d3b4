import pickle
import re

import pytest

from primitives import errors
from primitives.errors import (
    BlockReason,
    Fault,
    Interrupted,
    InvalidBlock,
    InvalidConfig,
    InvalidTransaction,
    Reason,
    Rejection,
    ShardnetError,
    StartupRefused,
    TransactionReason,
    UserError,
)

CLASSES = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Exception)]
REASONS = [item for item in vars(errors).values() if isinstance(item, type) and issubclass(item, Reason) and item is not Reason]


def drawn() -> dict[str, str | None]:
    """Each class of the tree in the docstring, with its parent."""
    assert errors.__doc__ is not None
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in errors.__doc__.splitlines():
        match = re.match(r"^([\s│]*(?:[├└]── )?)([A-Z]\w+)\b", line)
        if match is None or (not path and match[2] != "ShardnetError"):
            continue
        if path and "──" not in match[1]:
            break
        depth = len(match[1])
        path = [(d, name) for d, name in path if d < depth]
        parents[match[2]] = path[-1][1] if path else None
        path.append((depth, match[2]))
    return parents


def test_the_drawing_is_the_tree() -> None:
    actual = {cls.__name__: cls.__bases__[0].__name__ if cls is not ShardnetError else None for cls in CLASSES}
    assert drawn() == actual


@pytest.mark.parametrize("reasons", REASONS, ids=lambda reasons: reasons.__name__)
def test_reasons_have_a_code_of_their_own_and_a_fault(reasons) -> None:
    codes = [reason.code for reason in reasons]
    assert len(set(codes)) == len(codes) == len(reasons.__members__)
    assert all(re.fullmatch(r"[a-z0-9_]+", code) for code in codes)
    assert all(isinstance(reason.fault, Fault) for reason in reasons)


def test_a_rejection_is_data() -> None:
    error = InvalidBlock(BlockReason.WRONG_HEIGHT, "5, not 4")
    assert isinstance(error, Rejection)
    assert (error.reason, error.fault, error.message) == (BlockReason.WRONG_HEIGHT, Fault.PEER, "5, not 4")
    assert str(error) == "wrong_height: 5, not 4"
    assert str(InvalidBlock(BlockReason.WRONG_HEIGHT)) == "wrong_height"


def test_a_transaction_error_carries_its_figures() -> None:
    error = InvalidTransaction(TransactionReason.NONCE_TOO_LOW, "words", next_nonce=3, nonce=2)
    assert error.details == {"next_nonce": 3, "nonce": 2}


def test_user_errors_exit_with_a_code() -> None:
    assert str(InvalidConfig("rpc.port", "must be a port")) == "config field 'rpc.port': must be a port"
    assert str(InvalidConfig("--nodes", "must be 1 to 100")) == "option --nodes: must be 1 to 100"
    assert InvalidConfig("", "no such file").field == ""
    assert str(InvalidConfig("", "no such file")) == "no such file"
    assert (UserError("x").exit_code, InvalidConfig("a", "b").exit_code, StartupRefused("x").exit_code) == (1, 2, 2)


def test_an_interruption_names_its_limit() -> None:
    assert Interrupted("call_deadline_ms").limit == "call_deadline_ms"
    assert str(Interrupted("call_deadline_ms", "took over 5 s")) == "took over 5 s"


def test_reasons_survive_a_copy() -> None:
    assert pickle.loads(pickle.dumps(TransactionReason.TOO_SLOW)) is TransactionReason.TOO_SLOW
