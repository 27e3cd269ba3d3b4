"""The programs that traces are measured with use what gas they are given."""

import pytest

from benchmarks import tracing


@pytest.mark.parametrize("code", [tracing.TOKEN, tracing.ARITHMETIC])
def test_programs_run_to_their_end(code: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "GAS", 150_000)
    for config in tracing.CONFIGS.values():
        assert tracing.seconds_of(code, config) > 0
