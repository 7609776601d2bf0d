"""Augmentation: nuisances, and what each class draws for itself."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from inspection.params.section import NotNegative, Section, Share
from inspection.wafer.taxonomy import Symmetry

_FEW_LEFT = "with more than half of the points left out, a scratch is no line and a small cluster none"
_DROWNED = "more background than another whole normal wafer, and a faint signature drowns in it"
_BLURRED = "points that move by more than a millimetre each blur lines, lattices and small clusters"
_ELSEWHERE = "a map that moves by more than 5 mm leaves the wafer's edge, and edge patterns with it"
LIMITS: dict[str, tuple[float, str]] = {
    "thinning": (0.5, _FEW_LEFT),
    "background": (1.0, _DROWNED),
    "jitter_um": (5_000.0, _ELSEWHERE),
    "radial_um": (5_000.0, _ELSEWHERE),
    "lateral_um": (5_000.0, _ELSEWHERE),
    "point_radial_um": (1_000.0, _BLURRED),
    "point_lateral_um": (1_000.0, _BLURRED),
    "pitch": (0.05, "a grid that scales by more than 5 % leaves the wafer's edge, and edge patterns with it"),
    "die_thinning": (0.5, _FEW_LEFT),
    "die_background": (1.0, _DROWNED),
    "image_brightness": (0.3, "beyond a third of white, dark and bright defects are cut off at black and white"),
    "image_contrast": (0.5, "with less than half of its contrast a faint defect drowns in the noise"),
    "image_shift": (0.2, "an image that moves by more than a fifth of its side loses what lies at its border"),
    "image_zoom": (0.2, "zoomed by more than a fifth, an image loses its border, and size no longer tells one defect from another"),
    "image_blur_px": (2.0, "blurred by more than two pixels of the view, fine scratches and textures are gone"),
    "image_noise": (0.1, "noise of more than a tenth of white hides what a camera would show"),
}
"""The largest value of each nuisance that leaves the object, and the reason."""
OF_IMAGES = ("image_brightness", "image_contrast", "image_shift", "image_zoom", "image_blur_px", "image_noise")
"""The nuisances of images; all others are those of wafer maps."""


class Nuisance(Section):
    """Nuisances: one distribution for all classes, Normal included. Each draw takes its own strength; zero switches one off.

    Of points: ``thinning``, the largest share left out. ``background``, the largest share of a normal wafer's defects of that product
    added, negative binomial. ``jitter_um``, sigma of one offset of the whole map along x and y. ``radial_um``, ``lateral_um``: sigma of
    one stretch and of one turn of the whole map about its centre, measured at the edge. ``point_radial_um``, ``point_lateral_um``:
    largest sigma by which each point moves for itself, along its radius and across it. ``pitch``, sigma of the share by which the die
    grid and the points on it scale along x and y.

    Of die maps: ``die_thinning``, the largest share of failed dies that pass, and ``die_background`` as above.

    Of images: ``image_brightness``, the most that is added to or taken from every grey value, in shares of white; ``image_contrast``, the
    largest share by which the distance from middle grey grows or shrinks; ``image_shift`` and ``image_zoom``, the largest move, in shares
    of the side, and change of size; ``image_blur_px``, the largest sigma, in pixels of the view; ``image_noise``, that of the noise of
    each pixel, in shares of white.

    Raises
    ------
    ParamsError
        (on loading) Above `LIMITS`: nothing would be left of the object.
    """

    thinning: NotNegative = 0.1
    background: NotNegative = 0.1
    jitter_um: NotNegative = 200.0
    radial_um: NotNegative = 0.0
    lateral_um: NotNegative = 0.0
    point_radial_um: NotNegative = 0.0
    point_lateral_um: NotNegative = 0.0
    pitch: NotNegative = 0.0
    die_thinning: NotNegative = 0.0
    die_background: NotNegative = 0.0
    image_brightness: NotNegative = 0.05
    image_contrast: NotNegative = 0.1
    image_shift: NotNegative = 0.02
    image_zoom: NotNegative = 0.02
    image_blur_px: NotNegative = 0.0
    image_noise: NotNegative = 0.01

    @field_validator("*")
    @classmethod
    def _leaves_the_object(cls, value: float, info: ValidationInfo) -> float:
        limit, reason = LIMITS[info.field_name or ""]
        if value > limit:
            raise ValueError(f"removes the object: {reason}. Expected at most {limit:g}")
        return value


class ClassAugment(Section):
    """What one class draws that others need not: it acts on the signature's own points, or turns it by a symmetry the taxonomy grants.

    ``symmetries``: fewer than the taxonomy's (None = those of the taxonomy). ``multiplicity``: how many augmented copies each of its real
    wafers has (None = as `Augment`). The rest are shares of its draws that are made from real wafers' signatures:
    ``recombine`` puts the signature on a normal wafer's background, ``superpose`` adds that of a second wafer of the class, ``mosaic``
    joins sectors of two wafers of the class, ``union`` (of a combination such as ``Center+Scratch``) joins one wafer of each part.
    """

    symmetries: tuple[Symmetry, ...] | None = None
    multiplicity: int | None = Field(default=None, ge=0)
    recombine: Share = 0.0
    superpose: Share = 0.0
    mosaic: Share = 0.0
    union: Share = 0.0

    @model_validator(mode="before")
    @classmethod
    def _has_no_nuisance(cls, given: Any) -> Any:
        own = sorted({"nuisance", *LIMITS} & set(given)) if isinstance(given, dict) else []
        if own:
            raise ValueError(
                f"gives one class its own nuisance ({', '.join(own)}): the network would learn the class from it. "
                "A nuisance has one distribution for all classes: write it under augment.nuisance"
            )
        return given

    @model_validator(mode="after")
    def _shares_fit(self) -> Self:
        if sum(self.created.values()) > 1:
            raise ValueError(f"expected shares of draws whose sum is at most 1, got {self.created}")
        return self

    @property
    def created(self) -> dict[str, float]:
        """The share of draws that each operation on signatures makes, those that make any."""
        shares = {"recombine": self.recombine, "superpose": self.superpose, "mosaic": self.mosaic, "union": self.union}
        return {name: share for name, share in shares.items() if share > 0}


class Augment(Section):
    """Class-specific symmetries come from the taxonomy; die maps may only use those of ``die_symmetries``.

    ``multiplicity``: augmented copies of each real wafer beside itself; None = each draw is another copy. It says how many *different*
    versions of a wafer there are, never how often its class is drawn: that is ``balance.tempering`` alone. ``mixup``: share of draws mixed
    with a wafer of another class, labels mixed likewise, whatever the class. ``survive``: least share of a signature's defects that an
    operation on signatures must keep; where it does not, the wafer stays as it is.
    """

    symmetries: bool = True
    die_symmetries: tuple[Symmetry, ...] = ("flip", "half_turn", "quarter_turn")
    multiplicity: int | None = Field(default=None, ge=0)
    nuisance: Nuisance = Nuisance()
    mixup: Share = 0.0
    survive: Share = 0.5
    classes: dict[str, ClassAugment] = Field(default_factory=dict)

    @field_validator("survive")
    @classmethod
    def _keeps_the_signature(cls, value: float) -> float:
        if value < 0.5:
            raise ValueError("removes the object: an operation could drop most of a signature and keep its label. Expected at least 0.5")
        return value
