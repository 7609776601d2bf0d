"""What bad wafers share: whether a signature goes with a tool, a chamber, a slot or a recipe.

For every signature on the lot and every factor the wafers are counted in a table: with and without the signature, by tool (chamber, ...).

* Two values of the factor: Fisher's exact test (R. A. Fisher, "Statistical Methods for Research Workers", 5th ed. 1934, par. 21.02).
* More: Pearson's chi-square test; where a cell's expected count is below 5 (W. G. Cochran, Biometrics 10, 1954), the same statistic against
  tables drawn at random with the same margins.

Wafers of one lot were often struck together, and then any tool that this lot ran on seems guilty. So a second test leaves the lots as they
are: the signature is dealt out anew among the wafers of each lot (as in Cochran, 1954, and Mantel and Haenszel, 1959: strata are lots);
where no affected lot ran on two values of the factor, the values are dealt out among the lots. A link must pass both, so the larger of the
two p-values is its own (R. L. Berger, Technometrics 24, 1982), and Benjamini and Hochberg (1995) adjust that for all tests of the page: of
the links named, at most one in twenty is expected to be false even where signatures come lot by lot. The wafers that carry it must come
from three lots or more.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.wafer.taxonomy import JOIN, REVIEW

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

LEAST_LOTS = 3
"""Lots that must show a signature, and on the same value of the factor, before a link is named."""
LEAST_EXPECTED = 5.0
DRAWS = 9_999
"""Random tables per test: p-values down to 1e-4."""
FALSE_DISCOVERIES = 0.05
HIGH_COUNT = "High defect count"
FACTORS = ("tool", "chamber", "slot", "recipe")

Verdict = Literal["goes with", "lots alone", "no link", "inconclusive", "not recorded", "one value"]


@dataclass(frozen=True, slots=True)
class WaferRecord:
    """What is known of one wafer: ``called`` by a person or a model (None = by nobody), what it ran on, and its lot."""

    lot: str
    called: str | None
    defects: int
    factors: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Link:
    """One signature against one factor.

    Attributes
    ----------
    signature, factor : str
    verdict : str
        ``goes with``; ``lots alone`` = the wafers say so, but the lots explain it; ``no link``; ``inconclusive`` = too few lots;
        ``not recorded`` = no wafer with the signature has the factor; ``one value`` = all wafers ran on the same.
    wafers, affected, lots : int
        Wafers with a known value of the factor, those of them with the signature, and the lots of these.
    value : str or None
        The value that has the signature more often than chance would have it, by the largest standardised residual.
    value_wafers, value_affected, value_lots : int
        Its wafers, those with the signature, and the lots of these.
    p, q, p_lots : float or None
        By wafers; the larger of ``p`` and ``p_lots``, adjusted for all tests; and with the lots left as they are.
    method : str
        ``Fisher``, ``chi-square`` or ``random tables``.
    """

    signature: str
    factor: str
    verdict: Verdict
    wafers: int = 0
    affected: int = 0
    lots: int = 0
    value: str | None = None
    value_wafers: int = 0
    value_affected: int = 0
    value_lots: int = 0
    p: float | None = None
    q: float | None = None
    p_lots: float | None = None
    method: str = ""


def signatures(record: WaferRecord, normal: Collection[str]) -> tuple[str, ...]:
    """What a wafer shows: the patterns of its class, ``Unknown``, or nothing (normal, or not decided)."""
    if record.called is None or record.called in normal or record.called == REVIEW:
        return ()
    return tuple(record.called.split(JOIN))


def high_counts(records: Sequence[WaferRecord]) -> NDArray[np.bool_]:
    """Which wafers have far more defects than the others, shape (n,): above Tukey's upper fence (1977) of log(1 + defects)."""
    size = np.log1p([r.defects for r in records])
    low, high = np.quantile(size, (0.25, 0.75)) if len(size) else (0.0, 0.0)
    return size > high + 1.5 * (high - low)


def commonality(here: Sequence[WaferRecord], earlier: Sequence[WaferRecord], normal: Collection[str], rng: Generator) -> list[Link]:
    """Every signature of the lot ``here`` against every factor, over its wafers and those of earlier lots.

    Wafers that nobody called are left out. Where no wafer of the lot was called, the one signature is a high defect count.

    Parameters
    ----------
    here, earlier : sequences of WaferRecord
    normal : names of the classes that are no signature
    rng : for the random tables

    Returns
    -------
    list of Link
        The commonest signature first, its factors in the order of `FACTORS`.
    """
    if not any(r.called is not None for r in here):
        known = [*here, *earlier]
        flags = high_counts(known)
        shown = {HIGH_COUNT: flags} if flags[: len(here)].any() else {}
    else:
        known = [r for r in (*here, *earlier) if r.called is not None]
        sets = [set(signatures(r, normal)) for r in known]
        on_lot = Counter(s for r in here for s in signatures(r, normal))
        shown = {s: np.array([s in own for own in sets]) for s, _ in sorted(on_lot.items(), key=lambda item: (-item[1], item[0]))}
    links = [_link(signature, factor, known, flags, rng) for signature, flags in shown.items() for factor in FACTORS]
    return _judged(links)


def _link(signature: str, factor: str, known: Sequence[WaferRecord], flags: NDArray[np.bool_], rng: Generator) -> Link:
    kept = [i for i, r in enumerate(known) if r.factors.get(factor) is not None]
    values = [str(known[i].factors[factor]) for i in kept]
    lots = [known[i].lot for i in kept]
    struck = flags[kept]
    lots_struck = len({lot for lot, hit in zip(lots, struck, strict=True) if hit})
    facts = Link(signature, factor, "not recorded", len(kept), int(struck.sum()), lots_struck)
    if not facts.affected:
        return facts
    names, value = np.unique(values, return_inverse=True)
    if len(names) == 1:
        return replace(facts, verdict="one value", value=str(names[0]), value_wafers=len(kept), value_affected=facts.affected)
    sizes = np.bincount(value)
    hits = np.bincount(value[struck], minlength=len(names))
    first = int(np.argmax(_residuals(hits, sizes)))
    on_first = {lot for lot, hit, at in zip(lots, struck, value, strict=True) if hit and at == first}
    facts = replace(
        facts, verdict="inconclusive", value=str(names[first]), value_wafers=int(sizes[first]), value_affected=int(hits[first]),
        value_lots=len(on_first),
    )  # fmt: skip
    if lots_struck < LEAST_LOTS or facts.affected == len(kept):
        return facts
    p, method = _by_wafers(hits, sizes, rng)
    return replace(facts, p=p, method=method, p_lots=_by_lots(np.unique(lots, return_inverse=True)[1], value, struck, rng))


def _residuals(hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standardised residuals of the struck wafers of each value (S. J. Haberman, Biometrics 29, 1973); 0 where all wafers were struck."""
    wafers, struck = sizes.sum(), hits.sum()
    expected = sizes * struck / wafers
    spread = np.sqrt(expected * (1 - sizes / wafers) * (1 - struck / wafers))
    return np.divide(hits - expected, spread, out=np.zeros(len(hits)), where=spread > 0)


def _by_wafers(hits: NDArray[np.int64], sizes: NDArray[np.int64], rng: Generator) -> tuple[float, str]:
    """The p-value of the table (values x struck or not), and the test that gave it."""
    from scipy.stats import chi2_contingency, fisher_exact  # noqa: PLC0415 - half a second to import

    table = np.stack([hits, sizes - hits])
    if table.shape[1] == 2:
        return float(fisher_exact(table).pvalue), "Fisher"
    found = chi2_contingency(table, correction=False)
    if found.expected_freq.min() >= LEAST_EXPECTED:
        return float(found.pvalue), "chi-square"
    drawn = rng.multivariate_hypergeometric(sizes, int(hits.sum()), size=DRAWS)
    return _tail(_chi_square(drawn, sizes), float(_chi_square(hits, sizes))), "random tables"


def _by_lots(lot: NDArray[np.int64], value: NDArray[np.int64], struck: NDArray[np.bool_], rng: Generator) -> float:
    """The p-value of the same statistic when the signature keeps to its lots."""
    sizes = np.bincount(value)
    hits = np.bincount(value[struck], minlength=len(sizes))
    in_lot = np.zeros((lot.max() + 1, len(sizes)), np.int64)
    np.add.at(in_lot, (lot, value), 1)
    struck_in = np.bincount(lot[struck], minlength=len(in_lot))
    mixed = (in_lot > 0).sum(axis=1) > 1
    drawn = np.zeros((DRAWS, len(sizes)), np.int64)
    if (mixed & (struck_in > 0)).any():
        for counts, of in zip(in_lot, struck_in, strict=True):
            if of:
                drawn += rng.multivariate_hypergeometric(counts, int(of), size=DRAWS)
        centre, spread = drawn.mean(axis=0), drawn.var(axis=0)  # what each value would have by its lots alone
        far, found = ((np.divide((t - centre) ** 2, spread, out=np.zeros(t.shape), where=spread > 0)).sum(axis=-1) for t in (drawn, hits))
        return _tail(far, float(found))
    # Each lot has one value: whole lots change places, with their wafers. Lots differ in size, so the table's margins do, too.
    own, size = in_lot.argmax(axis=1), in_lot.sum(axis=1)
    dealt = rng.permuted(np.tile(own, (DRAWS, 1)), axis=1)
    one_hot = dealt[:, :, None] == np.arange(len(sizes))
    drawn, drawn_sizes = (np.einsum("dlv,l->dv", one_hot, weight) for weight in (struck_in, size))
    return _tail(_chi_square(drawn, drawn_sizes), float(_chi_square(hits, sizes)))


def _tail(drawn: NDArray[np.float64], found: float) -> float:
    """Share of drawn statistics at least as large as the one found, itself among them (Phipson and Smyth 2010)."""
    return float((1 + np.count_nonzero(drawn >= found * (1 - 1e-12))) / (1 + len(drawn)))


def _chi_square(hits: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Pearson's statistic of tables (..., values): struck wafers of each value out of ``sizes``."""
    share = hits.sum(axis=-1, keepdims=True) / sizes.sum(axis=-1, keepdims=True)
    spread = sizes * share * (1 - share)
    return np.divide((hits - sizes * share) ** 2, spread, out=np.zeros(np.broadcast(hits, spread).shape), where=spread > 0).sum(axis=-1)


def _judged(links: list[Link]) -> list[Link]:
    from scipy.stats import false_discovery_control  # noqa: PLC0415 - as above

    tested = [i for i, link in enumerate(links) if link.p is not None]
    if not tested:
        return links
    by_wafers = false_discovery_control([links[i].p for i in tested])
    by_both = false_discovery_control([max(links[i].p or 0.0, links[i].p_lots or 0.0) for i in tested])
    out = list(links)
    for i, wafers, both in zip(tested, by_wafers, by_both, strict=True):
        out[i] = replace(links[i], q=float(both), verdict=_verdict(links[i], float(wafers), float(both)))
    return out


def _verdict(link: Link, q_wafers: float, q: float) -> Verdict:
    if q > FALSE_DISCOVERIES:
        return "no link" if q_wafers > FALSE_DISCOVERIES else "lots alone"
    return "goes with" if link.value_lots >= LEAST_LOTS else "inconclusive"
