"""What `make compiled` makes of a source before mypyc sees it; the digests are compared by the command itself."""

from tools.compared import wrong_block, wrong_conduct
from tools.compiled import OTHER_FILES, PACKAGES, is_compiled, stamp


def test_what_mypyc_does_not_take_stays_as_it_is() -> None:
    assert is_compiled("consensus/committee.py", "QUORUM = 2\n")
    assert not is_compiled("consensus/__init__.py", "\n")
    assert is_compiled("primitives/votes.py", "class Vote(Container):\n    view: Uint64\n")
    assert not is_compiled("primitives/parameters.py", "from pydantic import BaseModel\n")
    assert not is_compiled("primitives/sedes.py", "import ssz.sedes\n")


def test_a_copy_is_stale_when_any_source_it_was_made_from_is_another(tmp_path):
    for name in OTHER_FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    for package in PACKAGES:
        (tmp_path / package / "__pycache__").mkdir(parents=True)
        (tmp_path / package / "rules.py").write_text("QUORUM = 2\n")
    stamps = [stamp(tmp_path)]
    (tmp_path / "node" / "__pycache__" / "rules.pyc").write_text("made")
    assert stamp(tmp_path) == stamps[0]
    for change in (
        lambda: (tmp_path / "consensus" / "rules.py").write_text("QUORUM = 3\n"),
        lambda: (tmp_path / "shard" / "more.py").write_text(""),
        lambda: (tmp_path / "shard" / "more.py").rename(tmp_path / "shard" / "other.py"),
        lambda: (tmp_path / "shard" / "other.py").unlink(),
        lambda: (tmp_path / "requirements.lock").write_text("another"),
    ):
        change()
        stamps.append(stamp(tmp_path))
    assert len(set(stamps)) == len(stamps) - 1
    assert stamps[4] == stamps[1]


def test_the_wrong_networks_that_are_compared_are_found_wrong():
    assert any("is slashed" in found for found in wrong_conduct().violations)
    assert any("two blocks are final" in found for found in wrong_block().violations)
