"""``params.yaml`` as frozen, typed sections: one per stage, unknown keys refused, parsed once at the door."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from inspection.errors import InputNotFoundError, ParamsError, bounded
from inspection.wafer.taxonomy import Severity, Symmetry, WaferClass

Share = Annotated[float, Field(ge=0, le=1)]


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


class Nuisance(Section):
    """Nuisances: one distribution for all classes, Normal included. Zero switches one off."""

    thinning: Share = 0.1
    background: float = Field(default=0.1, ge=0)
    jitter_um: float = Field(default=200.0, ge=0)


class Augment(Section):
    """Class-specific symmetries come from the taxonomy; die maps may only use those of ``die_symmetries``."""

    symmetries: bool = True
    die_symmetries: tuple[Symmetry, ...] = ("flip", "half_turn", "quarter_turn")
    nuisance: Nuisance = Nuisance()


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
    """The network and its training."""

    model: str = "wafer_net"
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
    register_: Register = Field(default=Register(), alias="register")
    infer: Infer = Infer()
    alert: Alert = Alert()
    taxonomy: dict[str, ClassEntry] = Field(default_factory=dict)

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
