"""A wafer as it goes back to the fab's tools: its class and the cluster of each defect, in a KLARF of its own.

**Which defects get the class.** The network calls the wafer and not its defects: nobody knows which of them make the signature. So
*every* defect of the wafer gets the number of the wafer's class as CLASSNUMBER, in place of what its tool had there. With
``called=None`` CLASSNUMBER stays as the tool wrote it.

**Clusters.** CLUSTERNUMBER is that of `inspection.wafer.clusters` (0 = in none), in place of what the tool had there. In 1.2
DefectClusterSetup says how they were made, and ClusterClassificationList gives each the wafer's class.

**Sizes.** A wafer whose source measured none gets XSIZE, YSIZE, DEFECTAREA and DSIZE of 0: public readers insist on these columns.

**Die maps** become their failed dies, each one defect at its centre (`inspection.wafer.failed_dies`); clusters join neighbours, diagonal
ones too.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from inspection.errors import InputError
from inspection.formats.klarf.writer import UNCLASSIFIED, Clustering, write_klarf12, write_klarf18
from inspection.wafer.clusters import LEAST, clusters, threshold_um
from inspection.wafer.failed_dies import as_defects
from inspection.wafer.maps import DefectMap, DieMap, ImageMap
from inspection.wafer.taxonomy import REVIEW, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.wafer.maps import SourceWafer, WaferInfo

Version = Literal["1.2", "1.8"]
FIRST_CLASS = 9_000
"""Number of the first class of ours: above those of tools' own class files, of which the largest seen ends at 1 020."""
SIZES = ("XSIZE", "YSIZE", "DEFECTAREA", "DSIZE")
_TOUCHING = 1.01
"""Of the diagonal between the centres of two dies: room for rounding."""
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9-]+")
_LONGEST_PART = 40


@dataclass(frozen=True, slots=True)
class Form:
    """How wafers are written.

    ``clustered=False`` leaves CLUSTERNUMBER as the tool wrote it. ``threshold_um`` None = by density and diameter (die maps: neighbouring
    dies); ``least`` defects make a cluster.
    """

    version: Version = "1.2"
    clustered: bool = True
    threshold_um: float | None = None
    least: int = LEAST


@dataclass(frozen=True, slots=True)
class Written:
    """What one file holds: its defects, how many clusters they make, and how many of them lie in one."""

    defects: int
    clusters: int
    in_clusters: int


def class_numbers(taxonomy: Iterable[str], first: int = FIRST_CLASS) -> dict[str, int]:
    """CLASSNUMBER of each class: Unknown and Review, then the taxonomy in its order. A class added at its end changes no other number."""
    return {name: first + i for i, name in enumerate(dict.fromkeys((UNKNOWN, REVIEW, *taxonomy)))}


def write(
    path: Path, source: SourceWafer, called: str | None, numbers: Mapping[str, int], form: Form, *, called_at: datetime | None = None
) -> Written:
    """Write one wafer; ``called`` is its class, ``called_at`` (UTC) becomes FileTimestamp.

    Raises
    ------
    InputError
        A name that KLARF cannot hold, a class without a number, or a number that means something else in the wafer's own file.
    """
    if isinstance(source.map, ImageMap):
        raise InputError("Cannot write an image as KLARF: expected a wafer map, got grey pixels, which name no defects. Leave it out.")
    wafer = as_defects(source.map) if isinstance(source.map, DieMap) else source.map
    classes = dict(source.classes) or dict(UNCLASSIFIED)
    sizes = {name: np.zeros(wafer.defects) for name in SIZES if name not in {n.upper() for n in wafer.attributes}}
    attributes: Mapping[str, NDArray] = {**wafer.attributes, **sizes}
    number = None if called is None else _number(called, numbers, classes)
    if number is not None and called is not None:
        classes[number] = called
        attributes = _with(attributes, "CLASSNUMBER", np.full(wafer.defects, number, dtype=np.int32))
    clustering = None
    of_defect = np.zeros(wafer.defects, dtype=np.int32)
    if form.clustered:
        threshold = _threshold_um(source, wafer, form)
        of_defect = clusters(wafer.xy_um, threshold, form.least)
        attributes = _with(attributes, "CLUSTERNUMBER", of_defect)
        found = range(1, int(of_defect.max(initial=0)) + 1)
        clustering = Clustering(threshold, form.least, {} if number is None else dict.fromkeys(found, number))
    made = replace(wafer, attributes=attributes, info=replace(wafer.info, written_at=called_at))
    if form.version == "1.2":
        write_klarf12(path, [made], classes=classes, clustering=clustering)
    else:
        write_klarf18(path, [made], classes=classes)
    return Written(wafer.defects, int(of_defect.max(initial=0)), int(np.count_nonzero(of_defect)))


def file_name(info: WaferInfo, key: str) -> str:
    """A plain name for the file of one wafer: lot, wafer, layer and time, without any sign that a path gives a meaning to.

    ``key`` makes it the only one of its name: two inspections may share all the rest.
    """
    at = info.inspected_at
    parts = (info.lot, info.wafer, info.layer or "", "" if at is None else f"{at:%Y%m%dT%H%M%S}", key)
    plain = (_NOT_IN_NAMES.sub("-", part).strip("-")[:_LONGEST_PART] for part in parts)
    return "_".join(part for part in plain if part) + ".klarf"


def _number(called: str, numbers: Mapping[str, int], classes: Mapping[int, str]) -> int:
    number = numbers.get(called)
    if number is None:
        raise InputError(
            f"No class number for {called!r}: expected a class of the taxonomy. Add it at the end of `taxonomy` in params.yaml: "
            "its place there is its number."
        )
    if classes.get(number, called) != called:
        raise InputError(
            f"Class number {number} is taken: expected it free for {called!r}, got {classes[number]!r} in the tool's own ClassLookup. "
            "Choose other numbers with --first-class."
        )
    return number


def _with(attributes: Mapping[str, NDArray], name: str, values: NDArray) -> dict[str, NDArray]:
    """``attributes`` with one column replaced, in whatever case its source writes the name."""
    return {n: v for n, v in attributes.items() if n.upper() != name} | {name: values}


def _threshold_um(source: SourceWafer, wafer: DefectMap, form: Form) -> float:
    if form.threshold_um is not None:
        return form.threshold_um
    if isinstance(source.map, DieMap):
        return _TOUCHING * math.hypot(*source.map.die_size_um)
    return threshold_um(wafer.defects, wafer.info.diameter_mm)
