"""answers.toml names files that there are, each once, and none that the specification itself holds to a schema."""

from tests.conformance.rpc.exchanges import ANSWERS, by_schema, files


def test_files_that_are_held_to_a_schema() -> None:
    listed = [line.strip(' ",') for line in ANSWERS.read_text().splitlines() if line.startswith('    "')]
    assert sorted(listed) == sorted(by_schema())
    assert by_schema().keys() <= {file.name for file in files() if not file.by_schema}
    assert all(entry["reason"] for entry in by_schema().values())
