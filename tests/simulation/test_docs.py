"""docs/simulation.md says what there is."""

from pathlib import Path

from node.simulator.checks.progress import VIEWS_WITHOUT_FINALITY_MAX
from node.simulator.drawn import EPOCHS, REAL_EVERY_SEEDS
from node.simulator.faults import FAULTS
from node.simulator.personas import PERSONAS
from tests.simulation.mutations import MUTATIONS

TEXT = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()


def rows(table: str) -> dict[str, list[str]]:
    """Cells of the table under a heading, by the first one."""
    section = TEXT.split(f"\n## {table}\n")[1].split("\n## ")[0]
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    return {cells[0].strip("`"): cells[1:] for cells in lines[2:]}


def test_every_persona_and_every_broken_rule_has_its_line() -> None:
    assert list(rows("Who breaks the rules")) == list(PERSONAS)
    told = rows("That the checks can fail")
    assert list(told) == list(MUTATIONS)
    assert [told[name][0] for name in MUTATIONS] == [mutation.rule for mutation in MUTATIONS.values()]
    assert all(1 <= int(cells[1]) <= 200 for cells in told.values())


def test_profiles_are_as_told() -> None:
    told = rows("What goes wrong")
    assert list(told) == list(FAULTS)
    for name, faults in FAULTS.items():
        loss, delay, slow, twice, crashes, partitions, cuts, slow_links, skew = told[name]
        shares = (faults.loss, faults.slow, faults.duplicates)
        assert [loss, slow, twice] == [f"{share:.0%}".replace("%", " %") if share else "" for share in shares]
        assert delay == f"{faults.delay_ms[0]} to {faults.delay_ms[1]}"
        counts = (faults.crashes, faults.partitions, faults.cuts, faults.slow_links, faults.skew_ms)
        assert [crashes, partitions, cuts, slow_links, skew] == [str(count or "") for count in counts]


def test_numbers_are_as_told() -> None:
    assert f"no more than {VIEWS_WITHOUT_FINALITY_MAX} views" in TEXT
    assert f"epochs of {', '.join(map(str, sorted(set(EPOCHS), reverse=True))).replace(', 8', ' or 8')} blocks" in TEXT
    assert REAL_EVERY_SEEDS == 250
    assert "one in 250 on real" in TEXT
