"""The small network of the guard: it learns to tell what a linear probe on a few statistics would have to be told."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inspection.augmentation.guard.contract import View
from inspection.training.trace_probe import tell_views


def views(n, rng, *, marked, tiles=2):
    """Sparse dots; those of the marked views come in pairs, one above the other."""
    image = (rng.random((n, 24, 24, 3)) < 0.03).astype(np.uint8) * 255
    detail = (rng.random((n, tiles, 16, 16, 3)) < 0.03).astype(np.uint8) * 255
    if marked:
        image[:, 1:] |= image[:, :-1]
        detail[:, :, 1:] |= detail[:, :, :-1]
    return View(image, detail)


@pytest.mark.slow
@pytest.mark.parametrize("tiles", [0, 2])
def test_a_mark_is_learnt_on_one_half_and_told_on_the_other(tiles):
    rng = np.random.default_rng(0)
    drawn = [views(160, rng, marked=bool(k % 2), tiles=tiles) for k in range(4)]
    both = [View(np.concatenate((a.image, b.image)), np.concatenate((a.tiles, b.tiles))) for a, b in (drawn[:2], drawn[2:])]
    labels = np.repeat([0, 1], 160)
    scores = tell_views(both[0], labels, both[1], seed=1)
    assert scores.shape == (320, 2)
    assert np.allclose(np.exp(scores).sum(axis=1), 1, atol=1e-5)
    assert roc_auc_score(labels, scores[:, 1]) > 0.9
