"""Stages of learning: the snapshot, the pure stages that DVC runs on it in the order of dvc.yaml, and the registry."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.dataset.project import STAGES, Project
from inspection.errors import InputError
from inspection.settings import Settings
from inspection.stages.place import (
    LANDED_FILES,
    SIMULATED_FAB,
    has_store,
    is_simulated,
    open_registry,
    open_store,
    require_made,
    silent,
    told,
    write_json,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report
    from inspection.views.shards import Drawing, Drawn, Spread

TRAINING_STAGES = STAGES
"""The DVC stages in their order."""
LIVE_AFTER_S = 60.0
"""A shorter training does not make a registry of its own for its curves: that takes ten seconds of a core."""
FROM_SNAPSHOT = "ingest --from-snapshot"
"""The command that writes the shard which all later stages work on."""


def snapshot(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Freeze the valid labelled wafers of the store as the training set; the same content leaves the files untouched.

    Wafers of the simulated fab are left out as soon as there are labelled ones that landed.
    """
    from inspection.dataset.snapshot import freeze
    from inspection.dataset.start import freeze_start
    from inspection.stages.starting import start_weights
    from inspection.store.labelled import labelled_wafers, names_and_formats

    report(0, 0, "")
    with open_store(workspace) as store:
        with store.read() as connection:
            labelled = labelled_wafers(connection)
            names = names_and_formats(connection)
        # An archive declares its own classes, and label tables were checked when they were read: all are known here.
        known = {*params.classes, *(row["label"] for row in labelled)}
        files = {row["file_sha256"] for row in labelled}
        simulated = {sha256 for sha256 in files if is_simulated(workspace, names[sha256][0])}
        exclude = simulated if simulated != files else ()
        frozen = freeze(store, workspace, known, exclude=exclude, unlabelled=params.transfer.unlabelled, seed=params.base.seed)
    with start_weights(workspace, params) as weights:
        changed = freeze_start(workspace.snapshot, params.transfer.start, weights) or frozen.changed
    unlabelled = {"unlabelled": frozen.unlabelled} if frozen.unlabelled else {}
    return {"files": frozen.files, "wafers": frozen.wafers, **unlabelled, "classes": frozen.classes, "idle": not changed}


def dvc_stage(workspace: Workspace, _params: Params, name: str, *, report: Report = silent) -> dict[str, Any]:
    """One stage of ``dvc.yaml`` through DVC, which repeats nothing that is up to date."""
    done = Project.open(workspace, Path.cwd()).run(name, listen=lambda line: report(0, 0, line[:100]))
    return {"idle": not done.ran, "seconds": done.seconds, **(_outcome(workspace, name))}


def materialise(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Snapshot -> data/wafers.parquet, and data/unlabelled.parquet with the wafers that have no label."""
    from inspection.dataset import snapshot as frozen
    from inspection.dataset.materialise import materialise as write_wafers
    from inspection.formats.table import read

    out = workspace.data / "wafers.parquet"
    whole, progress = frozen.read(workspace.snapshot), partial(told, report, "wafers")
    wafers = write_wafers(whole.labelled, workspace.root, lambda path: read(path, params.ingest), out, progress)
    write_wafers(
        whole.unlabelled, workspace.root, lambda path: read(path, params.ingest), workspace.data / "unlabelled.parquet", progress, least=0
    )
    return {"wafers": wafers, "shard": str(out)}


def validate_snapshot(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/wafers.parquet -> data/validation.json: every wafer against physics again."""
    from inspection.formats.canonical import read_shard
    from inspection.intake.physics import check

    shard = workspace.data / "wafers.parquet"
    require_made(shard, FROM_SNAPSHOT)
    wafers = noted = 0
    for entry in read_shard(shard):
        noted += bool(check(entry.wafer.map, params.validate_))
        wafers += 1
        report(wafers, 0, "wafers")
    result = {"wafers": wafers, "wafers_with_notes": noted}
    write_json(workspace.data / "validation.json", result)
    return result


def tile(workspace: Workspace, params: Params, *, report: Report = silent, spread: Spread | None = None) -> dict[str, Any]:
    """data/wafers.parquet -> data/views: global view and detail tiles of every wafer, packed; no defect is lost.

    ``spread`` has the parts drawn elsewhere, see :func:`inspection.views.shards.write_views`; default: by processes of this machine.
    """
    from inspection.formats.canonical import shard_index
    from inspection.views.processes import spread_over
    from inspection.views.renderer import ViewSpec
    from inspection.views.shards import write_views

    shard = workspace.data / "wafers.parquet"
    require_made(shard, FROM_SNAPSHOT)
    index = shard_index(shard)
    images = _are_images(index["kind"])
    recipe = params.tile.images if images else params.tile.points if (index["kind"] == "points").any() else params.tile.dies
    spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm, "image" if images else "map")
    spread = spread or spread_over(index, Settings().workers)
    drawn = write_views(workspace.data / "views", shard, spec, spread, partial(told, report, "wafers"))
    return {**drawn, "spec": spec.to_dict()}


def _are_images(kinds: pd.Series) -> bool:
    """Whether the snapshot is one of inspection images; a mixture is refused: no network sees both."""
    images = int((kinds == "image").sum())
    if 0 < images < len(kinds):
        raise InputError(
            f"Cannot train on wafer maps and images together: expected one of them, got {len(kinds) - images} labelled maps and "
            f"{images} labelled images. Keep them in workspaces of their own (--workspace)."
        )
    return images > 0


def draw_by(draw_pieces: Callable[[Iterable[tuple[Drawing, range]]], Iterator[tuple[tuple[Drawing, range], Drawn | None]]]) -> Spread:
    """``spread`` of :func:`tile` for an engine that draws many parts at once: (piece, answer) of each, None = died."""

    def spread(drawing: Drawing, parts: Iterable[range]) -> Iterator[tuple[range, Drawn | None]]:
        for (_, part), drawn in draw_pieces((drawing, part) for part in parts):
            yield part, drawn

    return spread


def split(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/wafers.parquet -> data/split.parquet, data/split.json: lot-disjoint parts; leakage is refused."""
    from inspection.dataset.parts import cut

    shard = workspace.data / "wafers.parquet"
    require_made(shard, FROM_SNAPSHOT)
    result = cut(shard, workspace.data / "split.parquet", params, partial(told, report, "wafers"))
    write_json(workspace.data / "split.json", result)
    return result


def train(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Views, split and wafers -> data/model, data/history.csv; the checkpoint in data/checkpoint survives an interruption.

    The weights that ``transfer.start`` names are those that the snapshot froze. The curves go to MLflow meanwhile: at once where a registry
    is named or was made before, else when the training takes its time.
    """
    require_made(workspace.data / "split.parquet", "split")
    require_made(workspace.data / "views", "tile")
    from inspection.dataset.start import frozen_start
    from inspection.registry.live import LiveCurves
    from inspection.training.session import train as learn

    made = Settings().mlflow_uri is not None or workspace.mlflow.exists()
    curves = LiveCurves(partial(open_registry, workspace), after_s=0.0 if made else LIVE_AFTER_S)
    result = learn(workspace.data, params, report, curves.told, frozen_start(workspace.snapshot, params.transfer.start))
    run = curves.close()
    return result | ({"mlflow_run": run} if run else {})


def evaluate(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/model -> data/votes.json (the guard's test of the model), data/bundle, data/report, data/metrics.json, data/plots.

    The report, and nothing else, depends on who is champion now: it stands beside the candidate on the same wafers.
    """
    require_made(workspace.data / "model", "train")
    from inspection.evaluation.judging import judge
    from inspection.stages.guarding import votes
    from inspection.store.champions import current

    champion = None
    if has_store(workspace):
        with open_store(workspace) as store:
            champion = current(store)
    told = votes(workspace, params, report=report)
    beside = None if champion is None else (f"champion {champion.version}", Path(champion.bundle_path))
    return judge(workspace.data, params, report, lineage=_lineage(workspace), votes=told, champion=beside)


def register(workspace: Workspace, params: Params, *, report: Report = silent, override_guard: str = "") -> dict[str, Any]:
    """data/bundle -> an MLflow run and a registered version @candidate; the report goes to reports/VERSION.

    A guard that did not pass refuses it, unless ``override_guard`` says why not; the reason stays on the model.
    """
    from inspection.registry.promotion import register as enter
    from inspection.scoring.bundle import read_bundle
    from inspection.stages.guarding import verdict_of

    report(0, 0, "MLflow")
    bundle = workspace.data / "bundle"
    require_made(bundle, "evaluate")
    with open_store(workspace) as store:
        version = enter(
            partial(open_registry, workspace),
            store,
            bundle,
            bundles=workspace.bundles,
            actor=Settings().actor,
            reason="trained from the snapshot by the pipeline",
            metrics=json.loads((workspace.data / "metrics.json").read_text(encoding="utf-8")),
            params=params.model_dump(mode="json", by_alias=True, exclude={"taxonomy"}),
            lineage={k: str(v) for k, v in read_bundle(bundle).lineage.items()},
            guard=verdict_of(workspace, params),
            guard_override=override_guard,
            report=workspace.data / "report",
            **_session(workspace),
        )
    home = workspace.reports / version.version
    if version.created or not home.is_dir():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(workspace.data / "report", home)
    page = str(home / "report.html")
    return {"version": version.version, "bundle_sha256": version.bundle_sha256, "report": page, "idle": not version.created}


def promote(
    workspace: Workspace, params: Params, *, report: Report = silent, version: str | None = None, reason: str = "", actor: str | None = None
) -> dict[str, Any]:
    """Make ``version`` (default: @candidate) the champion that workers serve, when the gate lets it pass."""
    from inspection.registry.promotion import promote as make_champion

    report(0, 0, "gate")
    settings = Settings()
    with open_store(workspace) as store:
        champion = make_champion(
            open_registry(workspace), store, version or "candidate",
            actor=actor or settings.actor, reason=reason, profile=settings.profile,
            margin=params.register_.margin, bundles=workspace.bundles,
        )  # fmt: skip
    return {"champion": champion.version, "since": champion.since, "reason": champion.reason, "bundle_sha256": champion.bundle_sha256}


def _session(workspace: Workspace) -> dict[str, Any]:
    """The training session that made the bundle, and its epochs."""
    about = json.loads((workspace.data / "model" / "training.json").read_text(encoding="utf-8"))
    with (workspace.data / "history.csv").open(newline="", encoding="utf-8") as stream:
        rows = [{key: float(value) for key, value in row.items() if value and key != "phase"} for row in csv.DictReader(stream)]
    return {"session": about.get("session", ""), "history": rows}


def _lineage(workspace: Workspace) -> dict[str, str]:
    from inspection.dataset.start import start_lineage

    project = Project.open(workspace, Path.cwd())
    return {
        **start_lineage(workspace.snapshot),
        "snapshot_sha256": hashlib.sha256((workspace.snapshot / "manifest.json").read_bytes()).hexdigest(),
        "params_sha256": hashlib.sha256(project.params.read_bytes()).hexdigest(),
        "code_version": installed_version("wafer-inspection"),
        "trained_on": _origin(workspace),
    }


def _origin(workspace: Workspace) -> str:
    """Whether the snapshot is the simulated fab's: a model that never saw a real wafer must say so."""
    from inspection.dataset.snapshot import read

    simulated = all(is_simulated(workspace, file.name) for file in read(workspace.snapshot).files)
    return SIMULATED_FAB if simulated else LANDED_FILES


def _outcome(workspace: Workspace, name: str) -> dict[str, Any]:
    """The few numbers of a DVC stage that a person wants to see in the closing table."""
    files = {"validate": "validation.json", "split": "split.json", "guard": "guard.json", "evaluate": "metrics.json"}
    path = workspace.data / files.get(name, "")
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    scores = ("macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate")
    wanted = ("wafers", "verdict", "train", "validation", "test", *scores)
    return {k: content[k] for k in wanted if k in content}
