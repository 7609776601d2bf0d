"""``params.yaml`` as frozen, typed sections: one per stage, unknown keys refused, parsed once at the door."""

from __future__ import annotations

from inspection.params.augment import OF_IMAGES, Augment, ClassAugment, Nuisance
from inspection.params.document import PACKAGED, ClassEntry, Params, load
from inspection.params.intake import Base, Ingest, Recipe, Split, Tile, Validate
from inspection.params.learning import Balance, Baselines, Guard, ModelName, OptimiserName, Sampler, ScheduleName, Train
from inspection.params.operation import Alert, Evaluate, Infer, Register, Threshold
from inspection.params.section import Section
from inspection.params.transfer import Phase, PhaseName, Pretrain, PseudoLabels, Transfer

__all__ = [
    "OF_IMAGES",
    "PACKAGED",
    "Alert",
    "Augment",
    "Balance",
    "Base",
    "Baselines",
    "ClassAugment",
    "ClassEntry",
    "Evaluate",
    "Guard",
    "Infer",
    "Ingest",
    "ModelName",
    "Nuisance",
    "OptimiserName",
    "Params",
    "Phase",
    "PhaseName",
    "Pretrain",
    "PseudoLabels",
    "Recipe",
    "Register",
    "Sampler",
    "ScheduleName",
    "Section",
    "Split",
    "Threshold",
    "Tile",
    "Train",
    "Transfer",
    "Validate",
    "load",
]
