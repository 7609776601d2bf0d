"""What a signature usually means and what to look at next: suggestions for an engineer, never a disposition."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from inspection.wafer.taxonomy import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Advice:
    """Likely causes of one signature, likeliest first, and the next thing to do."""

    causes: str
    action: str

    def __str__(self) -> str:
        return f"Often {self.causes}. Consider: {self.action}."


_CENTRE = Advice(
    "uneven deposition, dispense or polishing pressure at the wafer centre, or a fluid that hits the centre",
    "compare thickness or rate at centre and edge, check dispense nozzle and showerhead of the common chamber",
)
_EDGE_LOCAL = Advice(
    "handling at one place of the edge, an uneven edge bevel or local heating",
    "check robot end effector, clamp and aligner of the common tool; inspect the edge at this angle",
)
_EDGE_RING = Advice(
    "etch or deposition that differs at the edge, edge-bead removal, or a worn edge ring",
    "check edge-ring wear and edge-bead removal, hold the lot until the common chamber is cleared",
)
_LOCAL = Advice(
    "particles dropped in one place, a local leak or a stain of cleaning",
    "review some of these defects by SEM; check particle counts and the last maintenance of the common tool",
)
_SCRATCH = Advice(
    "mechanical contact: robot, cassette, or hard particles in polishing",
    "check robot hand-over and pad or slurry of the common tool; stop it if scratches repeat at the same angle",
)
_WHOLE = Advice(
    "a step that failed altogether, a wrong recipe or a faulty test",
    "hold the lot, confirm recipe and test set-up, inspect the wafer again before scrapping it",
)

ADVICE: Mapping[str, Advice] = MappingProxyType(
    {
        # The reference taxonomy.
        "BasketBall": Advice(
            "curved contact marks, such as those of polishing heads or carriers",
            "compare the arcs with the carrier of the common polishing tool, check retaining ring and pad",
        ),
        "ClusterBig": Advice(
            "a large particle source, a splash or a flake from a chamber wall",
            "hold the lot, review by SEM, run a particle check of the common chamber before the next lot",
        ),
        "ClusterSmall": _LOCAL,
        "Donut": Advice(
            "a rate that differs between zones: showerhead, heater or polishing zones",
            "compare radial profiles of thickness or rate, check zone settings of the common chamber, hold the lot",
        ),
        "Fingerprints": Advice(
            "contact by hand or a gripper, or residue that dried on the wafer",
            "check manual handling since the last clean step, then clean and inspect again",
        ),
        "GeoScratch": _SCRATCH,
        "Grid": Advice(
            "something that repeats per die or reticle field: reticle, stepping, probing or sawing",
            "stack the defects by die and by field; if they coincide, inspect the reticle or the probe card",
        ),
        "HalfMoon": Advice(
            "partial coverage: tilt, a wafer badly seated, or uneven flow from one side",
            "check seating and levelling in the common chamber and the notch direction of the wafers; hold the lot",
        ),
        "Incomplete": Advice(
            "an inspection that was cut short or a map that was only partly written",
            "inspect the wafer again; if it repeats, check the inspection tool and its file transfer",
        ),
        "Ring": _EDGE_RING,
        "Slice": Advice(
            "a sector treated differently: blocked spray, flow or one zone of a heater",
            "check nozzles and zones at this angle in the common tool",
        ),
        "ZigZag": Advice(
            "vibration or stick-slip of a moving part, such as a stage, a blade or a robot",
            "check the motion log and vibration of the common tool; compare the period with its scan pitch",
        ),
        # WM-811K (MixedWM38 writes the same names with an underscore).
        "Center": _CENTRE,
        "Edge-Loc": _EDGE_LOCAL,
        "Edge-Ring": _EDGE_RING,
        "Loc": _LOCAL,
        "Random": Advice(
            "contamination of the whole wafer: air, chemicals or water, or a worn chamber kit",
            "check particle counts of bath and chamber; compare with the lots before and after",
        ),
        "Scratch": _SCRATCH,
        "Near-full": _WHOLE,
        UNKNOWN: Advice(
            "a pattern that the model was never taught: a new failure, or an inspection set-up that changed",
            "look at the maps together, name the pattern if it is one, and label it so that the next model knows it",
        ),
    }
)
"""Advice by signature."""

_ANY = Advice(
    "a process step that this list does not know",
    "look at the maps together and at the tools that the affected wafers share",
)


def advise(signature: str) -> Advice:
    """Advice for ``signature``; the general one where the table has no entry."""
    return ADVICE.get(signature, ADVICE.get(signature.replace("_", "-"), _ANY))
