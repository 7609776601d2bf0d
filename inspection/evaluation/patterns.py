"""Where a class is a combination of patterns: each pattern by itself, and whether the whole combination was met. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from inspection.evaluation.confusion import Rate
from inspection.evaluation.intervals import percentiles, resampled_lots

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class PatternScores:
    """How well patterns that combine were found.

    Attributes
    ----------
    names : p patterns
    counts : ndarray of shape (p, 2, 2), int64
        For each pattern, wafers by [shown in truth][said to be shown].
    exact : Rate
        Wafers of which all patterns were found, and no other.
    exact_interval, macro_interval : 95 % intervals of its value and of the macro-F1, by lots; NaN for a single lot
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    exact: Rate
    exact_interval: tuple[float, float]
    macro_interval: tuple[float, float]

    @property
    def precision(self) -> NDArray[np.float64]:
        """Of the wafers said to show a pattern, the share that does, shape (p,); NaN where none was said to."""
        return _share(self.counts[:, 1, 1], self.counts[:, :, 1].sum(axis=1))

    @property
    def recall(self) -> NDArray[np.float64]:
        """Of the wafers that show a pattern, the share said to, shape (p,); NaN where none does."""
        return _share(self.counts[:, 1, 1], self.counts[:, 1].sum(axis=1))

    @property
    def f1(self) -> NDArray[np.float64]:
        """Harmonic mean of both, shape (p,); NaN where no wafer shows the pattern."""
        return _f1(self.counts[:, 1, 1], self.counts[:, 0, 1], self.counts[:, 1, 0])

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the patterns that some wafer shows; NaN when none does."""
        return float(_mean(self.f1))

    def metrics(self) -> dict[str, float]:
        """``exact_match pattern_macro_f1``, each with ``_low _high``; ``pattern_f1_<name>``, likewise ``recall`` and ``precision``."""
        found = {"exact_match": self.exact.value, "pattern_macro_f1": self.macro_f1}
        for key, ends in (("exact_match", self.exact_interval), ("pattern_macro_f1", self.macro_interval)):
            found |= {f"{key}_low": ends[0], f"{key}_high": ends[1]}
        columns = {"f1": self.f1, "recall": self.recall, "precision": self.precision}
        return found | {f"pattern_{key}_{n}": float(v) for key, values in columns.items() for n, v in zip(self.names, values, strict=True)}

    def rows(self) -> list[dict[str, Any]]:
        """The table for people: ``name shown found missed invented precision recall interval f1``."""
        return [
            {
                "name": name,
                "shown": int(both + missed),
                "found": int(both),
                "missed": int(missed),
                "invented": int(invented),
                "precision": float(precision),
                "recall": float(recall),
                "interval": Rate(int(both), int(both + missed)).interval,
                "f1": float(f1),
            }
            for name, ((_, invented), (missed, both)), precision, recall, f1 in zip(
                self.names, self.counts.tolist(), self.precision, self.recall, self.f1, strict=True
            )
        ]


def pattern_scores(
    truth: NDArray[np.bool_],
    said: NDArray[np.bool_],
    group: NDArray,
    names: tuple[str, ...],
    *,
    bootstrap: int,
    rng: np.random.Generator,
) -> PatternScores:
    """Score each pattern and the whole combinations.

    Parameters
    ----------
    truth, said : ndarrays of shape (n, p), bool
        Patterns that each wafer shows, and is said to show.
    group : ndarray of shape (n,), the lot of each wafer
    names : p patterns
    bootstrap : resamples of whole lots
    rng : numpy Generator
    """
    exact = (truth == said).all(axis=1)
    # Columns: exact, then found, invented and missed of each pattern.
    facts = np.concatenate([exact[:, None], truth & said, ~truth & said, truth & ~said, np.ones((len(truth), 1), bool)], axis=1)
    p = len(names)
    drawn = resampled_lots(facts.astype(np.float64), group, bootstrap, rng)
    both, invented, missed = (drawn[:, 1 + i * p : 1 + (i + 1) * p] for i in range(3))
    counts = np.stack(
        [np.stack([(~truth & ~said).sum(0), (~truth & said).sum(0)], 1), np.stack([(truth & ~said).sum(0), (truth & said).sum(0)], 1)], 1
    )
    return PatternScores(
        names,
        counts.astype(np.int64),
        Rate(int(exact.sum()), len(exact)),
        percentiles(_share(drawn[:, 0], drawn[:, -1])),
        percentiles(_mean(_f1(both, invented, missed))),
    )


def _f1(found: NDArray[np.number], invented: NDArray[np.number], missed: NDArray[np.number]) -> NDArray[np.float64]:
    return np.where(found + missed > 0, _share(2 * found, 2 * found + invented + missed), np.nan)


def _mean(f1: NDArray[np.float64]) -> NDArray[np.float64]:
    """Over the last axis, NaN left out."""
    known = ~np.isnan(f1)
    return _share(np.where(known, f1, 0.0).sum(axis=-1), known.sum(axis=-1))


def _share(hits: NDArray[np.number], of: NDArray[np.number]) -> NDArray[np.float64]:
    return np.divide(hits, of, out=np.full(np.shape(of), np.nan), where=np.asarray(of) > 0)
