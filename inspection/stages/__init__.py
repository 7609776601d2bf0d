"""The pipeline in order: one thin function per stage, parameters and paths in, a small report out.

Operation (on the store): ``ingest validate snapshot`` and, with a champion, ``enqueue work alerts``.
Training (on the frozen snapshot, called by DVC): ``materialise validate_snapshot tile split guard train evaluate``,
then ``register promote``.

Every stage may be called again at any time: what is done is not done twice, and what was interrupted goes on.
Rooms are wired together here and nowhere else; heavy imports stay inside the stage that needs them.
"""

from inspection.stages.counting import count
from inspection.stages.explaining import explain
from inspection.stages.guarding import guard
from inspection.stages.intake import history, ingest, quarantine_list, quarantine_release, quarantine_show, read_by, read_claims
from inspection.stages.learning import (
    TRAINING_STAGES,
    draw_by,
    dvc_stage,
    evaluate,
    materialise,
    promote,
    register,
    snapshot,
    split,
    tile,
    train,
    validate_snapshot,
)
from inspection.stages.lookalikes import similar
from inspection.stages.lots import lot
from inspection.stages.networks import model, models
from inspection.stages.operation import alerts, enqueue, simulate, simulate_fab, status, trainable, validate, work
from inspection.stages.place import open_workspace, params_of, require_input, require_workspace
from inspection.stages.questions import classify, show_file
from inspection.stages.rasters import pyramid
from inspection.stages.returns import export

__all__ = [
    "TRAINING_STAGES",
    "alerts",
    "classify",
    "count",
    "draw_by",
    "dvc_stage",
    "enqueue",
    "evaluate",
    "explain",
    "export",
    "guard",
    "history",
    "ingest",
    "lot",
    "materialise",
    "model",
    "models",
    "open_workspace",
    "params_of",
    "promote",
    "pyramid",
    "quarantine_list",
    "quarantine_release",
    "quarantine_show",
    "read_by",
    "read_claims",
    "register",
    "require_input",
    "require_workspace",
    "show_file",
    "similar",
    "simulate",
    "simulate_fab",
    "snapshot",
    "split",
    "status",
    "tile",
    "train",
    "trainable",
    "validate",
    "validate_snapshot",
    "work",
]
