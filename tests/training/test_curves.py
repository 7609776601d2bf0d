"""What the curves of a training say does not depend on their height, and is what was planted."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inspection.training.curves import FEWEST, LASTING, PARTED, read

steps = st.floats(0.01, 0.5)
"""Share by which a curve falls or rises from one epoch to the next."""


def history(loss, held_out, scores=None):
    scores = range(len(loss)) if scores is None else scores
    return [
        {"epoch": k + 1, "loss": a, "validation_loss": b, "validation_macro_f1": float(s)}
        for k, (a, b, s) in enumerate(zip(loss, held_out, scores, strict=True))
    ]


def falling(shares, start=1.0):
    values = [start]
    for share in shares:
        values.append(values[-1] * (1 - share))
    return values


def rising(shares, start):
    values = [start]
    for share in shares:
        values.append(values[-1] * (1 + PARTED + share))
    return values[1:]


@given(st.lists(steps, min_size=1, max_size=8), st.lists(steps, min_size=LASTING, max_size=6), st.data())
def test_curves_that_part_are_said_to_part_where_they_do(down, up, data):
    held_out = falling(down)
    parted = len(held_out)
    held_out += rising(up, held_out[-1])
    loss = falling(data.draw(st.lists(steps, min_size=len(held_out) - 1, max_size=len(held_out) - 1)))
    assume(len(loss) >= FEWEST)
    found = read(history(loss, held_out))
    assert (found.verdict, found.since) == ("overfitting", parted + 1)
    assert f"after epoch {parted}." in found.words
    later = read(history([*loss, loss[-1] / 2], [*held_out, held_out[-1] * 1.2]))
    assert (later.verdict, later.since) == ("overfitting", parted + 1), "one more epoch of the same changes nothing"


@given(st.lists(st.tuples(steps, steps), min_size=FEWEST, max_size=12))
def test_curves_that_fall_together_never_part(shares):
    found = read(history(falling([a for a, _ in shares]), falling([b for _, b in shares])))
    assert found.verdict in {"steady", "undertrained"}


rows = st.lists(st.tuples(st.floats(0.01, 10), st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=12)


@given(rows, st.sampled_from([0.25, 8.0]), st.sampled_from([0.5, 64.0]))
def test_only_the_shape_of_each_curve_matters(values, one, other):
    loss, held_out, scores = zip(*values, strict=True)
    found = read(history(loss, held_out, scores))
    scaled = read(history([one * v for v in loss], [other * v for v in held_out], scores))
    assert (found.verdict, found.since) == (scaled.verdict, scaled.since)
    assert json.loads(json.dumps(found.to_dict()))["words"]


def test_what_stops_too_early_or_breaks_is_said():
    fast = falling([0.2] * 7)
    assert read(history(fast, fast)).verdict == "undertrained"
    assert "train.epochs" in read(history(fast, fast)).words
    assert read(history(fast, fast, [9, *range(7)])).verdict == "steady", (
        "the best network is not the last one: more epochs promise nothing"
    )
    flat = falling([0.2] * 4 + [0.005] * 12)
    assert read(history(flat, flat)).verdict == "steady"
    broken = read(history([1.0, 0.5, float("nan")], [1.0, 0.5, float("nan")]))
    assert (broken.verdict, broken.since) == ("diverged", 3)
    assert read(history(fast, [float("nan")] * 8)).verdict == "unknown"


@pytest.mark.parametrize("count", range(FEWEST))
def test_few_epochs_say_nothing(count):
    assert read(history([1.0] * count, [1.0] * count)).verdict == "unknown"
