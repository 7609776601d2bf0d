"""The report of a judged model and the plots of DVC, written below ``data``: what the page needs besides the evaluation is read here."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspection.evaluation.album import PICTURE_PX
from inspection.evaluation.regions import LEVEL
from inspection.evaluation.report import Background, write_report
from inspection.formats.canonical import read_shard
from inspection.views.overlay import draw_heat
from inspection.wafer.maps import ImageMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    from inspection.augmentation.guard.votes import Votes
    from inspection.evaluation.beside import Baseline
    from inspection.evaluation.evaluation import Evaluation
    from inspection.evaluation.section import Section
    from inspection.params import Params
    from inspection.scoring.localisation import Localiser
    from inspection.wafer.maps import InspectionMap

PARTS = ("train", "validation", "test")
SHOWN = ("train", "balance", "augment", "evaluate", "baselines", "split")
"""Sections of the parameters that the report shows."""
SIMULATED = "The wafers come from the simulated fab: the numbers say nothing about real wafers, and the model has not seen any."
BALANCED = (
    "The loss was balanced (train.class_weight_beta or train.logit_adjustment): probabilities are those of a fab in which rare classes "
    "come more often than here. Decisions take that in, since their thresholds were tuned on wafers as they come."
)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """The evaluation, baselines, the guard's test of the model, further sections, who the test wafers are, the champion on them."""

    evaluation: Evaluation
    baselines: Sequence[Baseline]
    votes: Votes | None
    sections: Sequence[Section]
    identities: Sequence[tuple[str, str]]
    champion: tuple[str, Mapping[str, float]] | None = None
    remark: str = ""


def write_pages(
    data: Path,
    judged: Judged,
    split: pd.DataFrame,
    params: Params,
    lineage: dict[str, str],
    localiser: Localiser | None,
    report: Callable[[int, int, str], None],
) -> None:
    """The report below ``data/report`` and the plots of DVC below ``data/plots``."""
    test = np.flatnonzero(split["part"].to_numpy() == "test")

    def maps_of(positions: Sequence[int]) -> list[InspectionMap]:
        return [entry.wafer.map for entry in read_shard(data / "wafers.parquet", [int(test[p]) for p in positions])]

    likeliest = judged.evaluation.test.probabilities.argmax(axis=1)

    def activation(positions: Sequence[int], maps: Sequence[InspectionMap]) -> list[NDArray[np.uint8] | None]:
        return [_heat(localiser, wafer, int(likeliest[p])) for p, wafer in zip(positions, maps, strict=True)]

    used = split[split["part"].isin(PARTS)]
    parts = used.groupby("part")
    background = Background(
        title=f"{params.train.model}, snapshot {lineage.get('snapshot_sha256', '')[:8]}",
        wafers={part: Counter(parts.get_group(part)["label"]) for part in PARTS if part in parts.groups},
        lots={part: parts.get_group(part)["group"].nunique() for part in PARTS if part in parts.groups},
        history=data / "history.csv",
        curves=json.loads((data / "model" / "training.json").read_text(encoding="utf-8")).get("curves", {}).get("words", ""),
        beside=judged.baselines,
        votes=judged.votes,
        lineage=lineage,
        limits=[*_limits(params, lineage), *filter(None, [judged.remark])],
        params={f"{name}.{key}": value for name in SHOWN for key, value in getattr(params, name).model_dump().items()},
        baseline=judged.champion,
        sections=judged.sections,
        activation=None if localiser is None else activation,
        identities=judged.identities if any(lot or wafer for lot, wafer in judged.identities) else None,
    )
    folder = data / "report"
    shutil.rmtree(folder, ignore_errors=True)
    write_report(folder, judged.evaluation, background, maps_of, lambda done, total: report(done, total, "pictures"))
    plots = data / "plots"
    shutil.rmtree(plots, ignore_errors=True)
    shutil.copytree(folder / "plots", plots)


def _heat(localiser: Localiser | None, wafer: InspectionMap, k: int) -> NDArray[np.uint8] | None:
    """Where the network sees class ``k``, drawn over the wafer."""
    if localiser is None or isinstance(wafer, ImageMap):
        return None
    found = localiser.heat(wafer, k)
    return draw_heat(wafer, found.values, found.window, level=LEVEL, size_px=PICTURE_PX)


def _limits(params: Params, lineage: dict[str, str]) -> list[str]:
    """What the numbers cannot say because of how the network was taught."""
    simulated = "simulated" in lineage.get("trained_on", "")
    balanced = params.train.class_weight_beta > 0 or params.train.logit_adjustment > 0
    return [sentence for sentence, holds in ((SIMULATED, simulated), (BALANCED, balanced)) if holds]
