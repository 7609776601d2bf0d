"""``params.yaml`` as frozen, typed sections: one per stage, unknown keys refused, parsed once at the door."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, ValidationInfo, field_validator, model_validator

from inspection.errors import InputNotFoundError, ParamsError, bounded
from inspection.wafer.taxonomy import JOIN, Severity, Symmetry, WaferClass, generated

if TYPE_CHECKING:
    from collections.abc import Iterator

Share = Annotated[float, Field(ge=0, le=1)]
ModelName = Literal[
    "wafer_net", "plain_cnn", "mlp", "lenet5", "alexnet", "vgg16", "vgg19", "googlenet", "inception_v3", "xception", "resnet50",
    "densenet121", "mobilenet_v2", "nasnet_mobile", "efficientnet_b0",
]  # fmt: skip
"""Keys of ``models.builders.BUILDERS``, here so that a wrong name is refused at the door and help need not import Keras."""
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Section(BaseModel):
    """A section of ``params.yaml``: frozen, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Base(Section):
    """What all stages share."""

    seed: int = 0


class Ingest(Section):
    """Limits on what is read."""

    max_file_mb: PositiveInt = 16_384
    max_defects: PositiveInt = 20_000_000
    max_wafers: PositiveInt = 2_000_000

    @property
    def max_file_bytes(self) -> int:
        """``max_file_mb`` in bytes (MiB of 2**20)."""
        return self.max_file_mb << 20


class Validate(Section):
    """Physical limits per wafer, and expectations per lot and per day.

    With fewer than ``history_lots`` earlier lots of its product and layer, or ``history_days`` earlier days, nothing is
    compared with history: a cold start. ``odds``: how improbable in the history a figure must be to be reported.
    """

    edge_tolerance_um: float = Field(default=1_000.0, ge=0)
    max_outside_share: Share = 0.01
    slots_per_lot: PositiveInt = 25
    inspection_pause_h: float = Field(default=6.0, gt=0)
    history_lots: PositiveInt = 8
    history_days: PositiveInt = 14
    odds: float = Field(default=1e-4, gt=0, lt=0.1)


class Recipe(Section):
    """Sizes of the views of one kind of source."""

    size_px: PositiveInt
    tiles: int = Field(ge=0)
    tile_px: PositiveInt = 48
    tile_mm: float = Field(default=15.0, gt=0)


class Tile(Section):
    """Views: the recipe for points (used as soon as one wafer is points) and for die maps."""

    points: Recipe = Recipe(size_px=96, tiles=6)
    dies: Recipe = Recipe(size_px=64, tiles=0)


class Split(Section):
    """Lot-disjoint parts. Sources without lots are cut in blocks of ``block_rows``, ``border_rows`` dropped at each border."""

    validation: Share = 0.15
    test: Share = 0.15
    block_rows: PositiveInt = 120
    border_rows: int = Field(default=24, ge=0)


class Balance(Section):
    """How often a class is drawn: share of the largest class to the power ``tempering`` (0 = all alike, 1 = as they come)."""

    tempering: Share = 0.75


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
}
"""The largest value of each nuisance that leaves the object, and the reason."""


class Nuisance(Section):
    """Nuisances: one distribution for all classes, Normal included. Each draw takes its own strength; zero switches one off.

    Of points: ``thinning``, the largest share left out. ``background``, the largest share of a normal wafer's defects of that product
    added, negative binomial. ``jitter_um``, sigma of one offset of the whole map along x and y. ``radial_um``, ``lateral_um``: sigma of
    one stretch and of one turn of the whole map about its centre, measured at the edge. ``point_radial_um``, ``point_lateral_um``:
    largest sigma by which each point moves for itself, along its radius and across it. ``pitch``, sigma of the share by which the die
    grid and the points on it scale along x and y.

    Of die maps: ``die_thinning``, the largest share of failed dies that pass, and ``die_background`` as above.

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


class Guard(Section):
    """The guard against traces of the class: an area under the curve (AUC) up to .5 + ``delta`` is no trace.

    ``error``: at most this share of clean policies is called a failure, over all classes, looks and tests. ``maps`` neutral maps are taken
    for the first look, twice as many for each next one, at most ``looks``; each goes ``copies`` times through every class's policy.
    """

    delta: float = Field(default=0.05, gt=0, lt=0.5)
    error: float = Field(default=0.05, gt=0, lt=0.5)
    maps: int = Field(default=400, ge=20)
    looks: PositiveInt = 3
    copies: PositiveInt = 1


class Train(Section):
    """The network and its training.

    ``symmetric``: the network cannot tell a view from its turns by the symmetries that all classes share; ``wafer_net`` and ``plain_cnn``
    only. ``width`` is of these two and of ``mlp``: the published networks have their published widths.
    """

    model: ModelName = "wafer_net"
    symmetric: bool = False
    width: PositiveInt = 32
    epochs: PositiveInt = 16
    min_steps: PositiveInt = 200
    min_epoch_steps: PositiveInt = 40
    batch_size: PositiveInt = 64
    learning_rate: float = Field(default=3e-3, gt=0)
    weight_decay: float = Field(default=0.02, ge=0)
    label_smoothing: Share = 0.05
    dropout: Share = 0.3
    ema: Share = 0.999
    patience: PositiveInt = 6


class Baselines(Section):
    """Forest and support vector machine that every evaluation reports beside the network.

    ``trees`` of a forest. ``svm_rows``: training wafers that a support vector machine sees at most; ``embedding_rows``: those whose
    embedding is computed for the classifiers on it. Both are drawn stratified; they bound the time.
    """

    enabled: bool = True
    trees: PositiveInt = 200
    svm_rows: PositiveInt = 10_000
    embedding_rows: PositiveInt = 10_000


class Evaluate(Section):
    """Thresholds and intervals."""

    bootstrap: PositiveInt = 200
    min_positives: PositiveInt = 5
    unknown_quantile: Share = 0.999
    test_time_augmentation: bool = True


class Register(Section):
    """The gate: the margin by which a candidate's macro-F1 may lie below the champion's."""

    margin: Share = 0.01


class Infer(Section):
    """The worker: sizes of its warm static batches, largest first coalesced."""

    batch_sizes: tuple[PositiveInt, ...] = (8, 64)
    lease_s: float = Field(default=60.0, gt=0)
    max_attempts: PositiveInt = 3


class Alert(Section):
    """Rules: an excursion is ``min_wafers`` of one signature in one lot and layer; a severity in ``at_once`` alerts on a single wafer."""

    min_wafers: PositiveInt = 2
    at_once: tuple[Severity, ...] = ("high",)
    min_probability: Share = 0.5


class ClassEntry(Section):
    """One class of the taxonomy."""

    normal: bool = False
    symmetries: tuple[Symmetry, ...] = ()
    severity: Severity = "medium"


class Params(Section):
    """All of ``params.yaml``."""

    base: Base = Base()
    ingest: Ingest = Ingest()
    validate_: Validate = Field(default=Validate(), alias="validate")
    tile: Tile = Tile()
    split: Split = Split()
    balance: Balance = Balance()
    augment: Augment = Augment()
    guard: Guard = Guard()
    train: Train = Train()
    evaluate: Evaluate = Evaluate()
    baselines: Baselines = Baselines()
    register_: Register = Field(default=Register(), alias="register")
    infer: Infer = Infer()
    alert: Alert = Alert()
    taxonomy: dict[str, ClassEntry] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _policies_keep_the_taxonomy(self) -> Self:
        faults = [f"augment.classes.{name}: {fault}" for name, own in self.augment.classes.items() for fault in self._faults(name, own)]
        if faults:
            raise ValueError(bounded(faults))
        return self

    def _faults(self, name: str, own: ClassAugment) -> Iterator[str]:
        if name not in self.taxonomy:
            yield "no such class in `taxonomy`; add it there, with the symmetries that keep its label"
            return
        entry = self.taxonomy[name]
        broken = set(own.symmetries or ()) - generated(entry.symmetries)
        if broken:
            yield (
                f"breaks the taxonomy: {', '.join(sorted(broken))} does not keep the label {name} "
                f"(taxonomy.{name}.symmetries: {', '.join(entry.symmetries) or 'none'})"
            )
        if entry.normal and own.created:
            yield f"{', '.join(own.created)} acts on a signature, and a normal class has none"
        if "union" in own.created and JOIN not in name:
            yield f"union joins the parts of a combination such as Center{JOIN}Scratch, and {name} has one part"

    @property
    def classes(self) -> dict[str, WaferClass]:
        """The taxonomy's entries as values, in the file's order."""
        return {name: WaferClass(name, entry.normal, frozenset(entry.symmetries), entry.severity) for name, entry in self.taxonomy.items()}


PACKAGED = Path(__file__).parent / "project"
"""``params.yaml`` and ``dvc.yaml`` as shipped."""


def load(path: Path | None = None) -> Params:
    """Read ``path`` (default: the packaged ``params.yaml``).

    Raises
    ------
    InputNotFoundError
        No such file.
    ParamsError
        Not YAML, an unknown key, or a value outside its domain; names each of them.
    """
    path = PACKAGED / "params.yaml" if path is None else path
    if not path.is_file():
        raise InputNotFoundError(f"No parameters: expected a file at {path}. Start a workspace with `inspection run`.")
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return Params.model_validate(content)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParamsError(f"Cannot read {path}: expected YAML in UTF-8, got {error}. Correct the file.") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']} (got {e['input']!r:.60})" for e in error.errors()]
        raise ParamsError(f"Cannot use {path}: {bounded(faults)}. Correct these keys.") from error
