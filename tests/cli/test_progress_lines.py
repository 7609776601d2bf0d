"""The plain lines of progress: the time left is that of the work that is left, at the rate of the work done here."""

import re

import pytest

from inspection import console


@pytest.fixture
def lines(monkeypatch, capsys):
    """Reports ten a second; returns what is printed then."""
    clock = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])

    def run(counts, total):
        with console.reporting("train") as report:
            for done in counts:
                report(done, total, "epoch")
                clock[0] += 0.1
        return capsys.readouterr().err.splitlines()

    return run


@pytest.mark.parametrize("start", [0, 1, 700])
def test_what_was_done_before_an_interruption_speeds_nothing_up(lines, start):
    told = lines(range(start, start + 200), 1000)
    assert len(told) == 3
    for line in told:
        done, rate, left = (float(x) for x in re.fullmatch(r"train (\d+)/1000 epoch, ([\d.]+)/s, (\d+) s left", line).groups())
        assert rate == pytest.approx(10)
        assert left == pytest.approx((1000 - done) / 10, abs=1)
