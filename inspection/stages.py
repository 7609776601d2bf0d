"""The pipeline in order: one thin function per stage, parameters and paths in, a small report out.

Operation (on the store): ``ingest validate snapshot`` and, with a champion, ``enqueue work alerts``.
Training (on the frozen snapshot, called by DVC): ``materialise validate_snapshot tile split train evaluate``, then ``register promote``.

Every stage may be called again at any time: what is done is not done twice, and what was interrupted goes on.
Rooms are wired together here and nowhere else; heavy imports stay inside the stage that needs them.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection import params as parameters
from inspection.dataset.project import STAGES, Project
from inspection.errors import InputNotFoundError
from inspection.settings import Settings, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspection.params import Params
    from inspection.store.database import Store

    Report = Callable[[int, int, str], None]

TRAINING_FAB = {"lots": 40, "wafers": 25, "seed": 0, "difficulty": "easy", "format": "klarf12"}
"""The small fab of a run without input: what the first champion is trained on."""
FRESH_LOTS = 3
"""Lots that the fab delivers after the champion was promoted: they land unlabelled, are scored and may alert."""
TRAINING_STAGES = STAGES
"""The DVC stages in their order."""


def silent(_done: int, _total: int, _text: str) -> None:
    """A report that nobody reads."""


def open_workspace(root: Path) -> Workspace:
    """The workspace at ``root``; nothing is written."""
    if root.exists() and not root.is_dir():
        raise InputNotFoundError(f"Not a workspace: expected a folder, got the file {root}. Name a folder with --workspace.")
    return Workspace(root)


def params_of(workspace: Workspace) -> Params:
    """The ``params.yaml`` that serves ``workspace``; the packaged one while the workspace does not exist."""
    if not workspace.root.exists():
        return parameters.load()
    return parameters.load(Project.open(workspace, Path.cwd()).params)


def open_store(workspace: Workspace) -> Store:
    """The SQL store of the settings, by default SQLite below the workspace."""
    from inspection.store.database import Store

    workspace.root.mkdir(parents=True, exist_ok=True)
    return Store(Settings().store_url or f"sqlite:///{workspace.store}")


def require_input(source: Path) -> None:
    """Refuse a path that does not exist or a folder without files, before anything is started."""
    if not source.exists():
        raise InputNotFoundError(f"No such input: expected a file or folder, got {source}. Check the path.")
    if source.is_dir() and not any(p.is_file() for p in source.rglob("*")):
        raise InputNotFoundError(f"Nothing to read: expected defect maps in {source}, got an empty folder. Check the path.")


# ---- supply ------------------------------------------------------------------------------------------------------


def simulate_fab(out: Path, *, report: Report = silent, **options: Any) -> dict[str, Any]:
    """Let the simulator write to ``out``; options as in ``inspection.simulator.fab.simulate``."""
    from dataclasses import asdict

    from inspection.simulator.fab import simulate as run_fab

    return asdict(run_fab(out, progress=partial(_told, report, "lots"), **options))


def simulate(workspace: Workspace, _params: Params, *, report: Report = silent, fresh: bool = False) -> dict[str, Any]:
    """The run's own fab: the training lots, or with ``fresh`` the lots that land after the promotion. Written once."""
    folder = workspace.root / "simulated" / ("fresh" if fresh else "history")
    written = folder / "truth.csv"
    if written.is_file():
        return {"folder": str(folder), "idle": True}
    options = {**TRAINING_FAB, "lots": FRESH_LOTS, "first_lot": int(TRAINING_FAB["lots"]) + 1} if fresh else dict(TRAINING_FAB)
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    result = simulate_fab(aside, labelled=not fresh, report=report, **options)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    return {"folder": str(folder), "idle": False, **result}


def trainable(workspace: Workspace) -> dict[str, Any]:
    """What there is to learn from and to serve: labelled valid wafers in the store, and whether a champion serves."""
    from inspection.store.champions import current
    from inspection.store.labelled import labelled_wafers

    with open_store(workspace) as store:
        with store.read() as connection:
            labelled = len(labelled_wafers(connection))
        champion = current(store)
    return {"labelled": labelled, "champion": None if champion is None else champion.version}


# ---- operation: what lands -----------------------------------------------------------------------------------------


def ingest(workspace: Workspace, params: Params, *, report: Report = silent, source: Path | None = None) -> dict[str, Any]:
    """Claim, recognise, parse and check what lies in ``source`` (default: the landing folder); labels.csv beside it is applied."""
    from inspection.formats import table
    from inspection.intake import labels as label_table
    from inspection.intake.ingest import ingest as take_in
    from inspection.intake.landing import claim

    if source is None:
        workspace.landing.mkdir(parents=True, exist_ok=True)
        source, settle_s = workspace.landing, 2.0
    else:
        require_input(source)
        settle_s = 0.0
    beside = label_table.beside(source)
    labels = None if beside is None else label_table.read_labels(beside, params.classes)
    left: list[str] = []
    with open_store(workspace) as store:
        claims = claim(
            source, workspace, store, params.ingest,
            settle_s=settle_s, notice=lambda name, why: left.append(f"{name}: {why}"), progress=partial(_told, report, "files looked at"),
        )  # fmt: skip
        done = take_in(
            claims, workspace, store, params, table.read,
            recognise=table.recognise, labels=labels,
            progress=partial(_told, report, "files"), counted=lambda wafers: report(wafers, 0, "wafers"),
        )  # fmt: skip
    result = {
        "files": done.files, "wafers": done.wafers, "quarantined_files": done.quarantined_files,
        "quarantined_wafers": done.quarantined_wafers, "left": left, "seconds": done.seconds, "idle": not claims,
    }  # fmt: skip
    if done.labels is not None:
        result["labels"] = {
            "matched": done.labels.matched, "changed": done.labels.changed,
            "unmatched": [" ".join(k) for k in done.labels.unmatched[:10]], "unmatched_rows": len(done.labels.unmatched),
        }  # fmt: skip
    return result


def validate(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Great Expectations over every lot with new wafers; a lot that fails is recorded and stops nothing."""
    from inspection.intake.lots import validate as check_lots

    with open_store(workspace) as store:
        checks = check_lots(workspace, store, params.validate_, partial(_told, report, "lots"))
    failed = [f"{c.lot} {c.layer}: {', '.join(map(str, c.failed))}"[:200] for c in checks if not c.success]
    return {"lots": len(checks), "failed": failed, "idle": not checks, "data_docs": str(workspace.expectations)}


def snapshot(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Freeze the valid labelled wafers of the store as the training set; the same content leaves the files untouched."""
    from inspection.dataset.snapshot import freeze
    from inspection.store.labelled import labelled_wafers

    report(0, 0, "")
    with open_store(workspace) as store:
        with store.read() as connection:
            # An archive declares its own classes, and label tables were checked when they were read: all are known here.
            declared = {row["label"] for row in labelled_wafers(connection)}
        frozen = freeze(store, workspace, {*params.classes, *declared})
    return {"files": frozen.files, "wafers": frozen.wafers, "classes": frozen.classes, "idle": not frozen.changed}


# ---- training: pure stages on the snapshot, in the order of dvc.yaml -----------------------------------------------


def dvc_stage(workspace: Workspace, _params: Params, name: str, *, report: Report = silent) -> dict[str, Any]:
    """One stage of ``dvc.yaml`` through DVC, which repeats nothing that is up to date."""
    done = Project.open(workspace, Path.cwd()).run(name, listen=lambda line: report(0, 0, line[:100]))
    return {"idle": not done.ran, "seconds": done.seconds, **(_outcome(workspace, name))}


def materialise(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Snapshot -> data/wafers.parquet."""
    from inspection.dataset import snapshot as frozen
    from inspection.formats.table import read

    out = workspace.data / "wafers.parquet"
    wafers = frozen.materialise(
        frozen.read(workspace.snapshot), workspace.root, lambda path: read(path, params.ingest), out, partial(_told, report, "wafers")
    )
    return {"wafers": wafers, "shard": str(out)}


def validate_snapshot(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/wafers.parquet -> data/validation.json: every wafer against physics again."""
    from inspection.formats.canonical import read_shard
    from inspection.intake.physics import check

    notes: dict[str, int] = {}
    wafers = 0
    for entry in read_shard(workspace.data / "wafers.parquet"):
        for note in check(entry.wafer.map, params.validate_):
            kind = note.split(":")[0][:60]
            notes[kind] = notes.get(kind, 0) + 1
        wafers += 1
        report(wafers, 0, "wafers")
    result = {"wafers": wafers, "wafers_with_notes": sum(notes.values())}
    _write_json(workspace.data / "validation.json", result)
    return result


def tile(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/wafers.parquet -> data/views: global view and detail tiles of every wafer, packed; no defect is lost."""
    from inspection.formats.canonical import read_shard, shard_index
    from inspection.views.renderer import ViewSpec
    from inspection.views.shards import write_views

    shard = workspace.data / "wafers.parquet"
    kinds = shard_index(shard)["kind"]
    recipe = params.tile.points if (kinds == "points").any() else params.tile.dies
    spec = ViewSpec(recipe.size_px, recipe.tiles, recipe.tile_px, recipe.tile_mm)
    maps = (entry.wafer.map for entry in read_shard(shard))
    return {**write_views(workspace.data / "views", maps, len(kinds), spec, partial(_told, report, "wafers")), "spec": spec.to_dict()}


def split(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/wafers.parquet -> data/split.parquet, data/split.json: lot-disjoint parts; leakage is refused."""
    from inspection.dataset.parts import cut

    result = cut(workspace.data / "wafers.parquet", workspace.data / "split.parquet", params, partial(_told, report, "wafers"))
    _write_json(workspace.data / "split.json", result)
    return result


def train(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Views, split and wafers -> data/model, data/history.csv; the checkpoint in data/checkpoint survives an interruption."""
    from inspection.training.session import train as learn

    return learn(workspace.data, params, report)


def evaluate(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/model -> data/bundle, data/report, data/metrics.json, data/plots."""
    from inspection.evaluation.judging import judge

    return judge(workspace.data, params, report, lineage=_lineage(workspace))


# ---- the registry --------------------------------------------------------------------------------------------------


def _registry(workspace: Workspace) -> Any:
    from inspection.registry.tracking import Registry

    return Registry(Settings().mlflow_uri or f"sqlite:///{workspace.mlflow}", workspace.mlflow_artifacts)


def register(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """data/bundle -> an MLflow run and a registered version @candidate; the report goes to reports/VERSION."""
    from inspection.scoring.bundle import read_bundle

    report(0, 0, "MLflow")
    bundle = workspace.data / "bundle"
    lineage = {k: str(v) for k, v in read_bundle(bundle).lineage.items()}
    version = _registry(workspace).register(
        bundle,
        actor=Settings().actor,
        reason="trained from the snapshot by the pipeline",
        metrics=json.loads((workspace.data / "metrics.json").read_text(encoding="utf-8")),
        params=params.model_dump(mode="json", by_alias=True, exclude={"taxonomy"}),
        lineage=lineage,
        report=workspace.data / "report",
    )
    home = workspace.reports / version.version
    if version.created or not home.is_dir():
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(workspace.data / "report", home)
    return {
        "version": version.version, "bundle_sha256": version.bundle_sha256, "run": version.run_id,
        "report": str(home / "report.html"), "idle": not version.created,
    }  # fmt: skip


def promote(
    workspace: Workspace, params: Params, *, report: Report = silent, version: str | None = None, reason: str = "", actor: str | None = None
) -> dict[str, Any]:
    """Make ``version`` (default: @candidate) the champion that workers serve, when the gate lets it pass."""
    from inspection.registry.promotion import promote as make_champion

    report(0, 0, "gate")
    settings = Settings()
    with open_store(workspace) as store:
        champion = make_champion(
            _registry(workspace), store, version or "candidate",
            actor=actor or settings.actor, reason=reason, profile=settings.profile,
            margin=params.register_.margin, bundles=workspace.bundles,
        )  # fmt: skip
    return {"champion": champion.version, "since": champion.since, "reason": champion.reason, "bundle_sha256": champion.bundle_sha256}


# ---- operation: scoring and alerts ---------------------------------------------------------------------------------


def enqueue(workspace: Workspace, _params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Put every wafer that no model has scored into the ledger, once.

    Labelled wafers are known already and only scored when nothing else ever landed: then the test part stands for fresh lots.
    """
    from inspection.dataset.parts import read_parts
    from inspection.inference.ledger import StoreLedger
    from inspection.store.predictions import never_scored

    report(0, 0, "ledger")
    with open_store(workspace) as store:
        with store.read() as connection:
            waiting = never_scored(connection, labelled=False)
            if not waiting:
                test = read_parts(workspace.data / "split.parquet", "test")
                waiting = [w for w in never_scored(connection, labelled=True) if w in test]
        jobs = ((f"{sha}:{index}", {"file_sha256": sha, "index": index}) for sha, index in waiting)
        new = StoreLedger(store).put(jobs)
    return {"wafers": len(waiting), "new": new, "idle": new == 0}


def work(
    workspace: Workspace, params: Params, *, report: Report = silent, until_empty: bool = True, metrics_port: int | None = None
) -> dict[str, Any]:
    """Score what waits in the ledger with the champion; exactly one outcome per wafer, whatever is killed."""
    from dataclasses import asdict

    from inspection.inference.ledger import StoreLedger
    from inspection.inference.worker import Worker
    from inspection.store.champions import Champion, current

    with open_store(workspace) as store:
        ledger = StoreLedger(store)
        if until_empty and ledger.unfinished() == 0:
            return {"scored": 0, "idle": True}

        def load(champion: Champion) -> Any:
            from inspection.scoring.predictor import Predictor

            return Predictor.load(Path(champion.bundle_path), params.infer.batch_sizes)

        worker = Worker(store, ledger, load, _reader(workspace), partial(current, store), params.infer, port=metrics_port)
        done = worker.run(until_empty=until_empty, handle_signals=True, progress=partial(_told, report, "wafers"))
    return {**asdict(done), "idle": done.scored == 0}


def alerts(
    workspace: Workspace,
    params: Params,
    *,
    report: Report = silent,
    acknowledge: int | None = None,
    close: int | None = None,
    owner: str = "",
    comment: str = "",
) -> dict[str, Any]:
    """Judge new predictions, send what is due, acknowledge or close an alert when asked, and list the open ones."""
    from dataclasses import asdict

    import numpy as np

    from inspection.alerting import acknowledge as hand
    from inspection.alerting.judging import judge
    from inspection.alerting.outbox import deliver
    from inspection.alerting.sinks import configured
    from inspection.store import alerts as table

    with open_store(workspace) as store:
        if acknowledge is not None:
            hand.acknowledge(store, acknowledge, owner or Settings().actor, comment)
        if close is not None:
            hand.close(store, close, owner or Settings().actor, comment)
        sinks = configured(Settings(), workspace)
        judged = judge(store, params.alert, params.classes, [s.name for s in sinks], progress=partial(_told, report, "predictions"))
        sent = deliver(
            store, sinks, workspace, np.random.default_rng(), draw=_evidence(workspace), progress=partial(_told, report, "notifications")
        )
        with store.read() as connection:
            rows = [dict(row) for row in table.newest(connection, 200)]
    shown = ("id", "state", "severity", "signature", "lot", "layer", "product", "summary", "picture", "opened_at", "owner", "comment")
    listed = [{**{k: row[k] for k in shown}, "wafers": len(row["wafers"])} for row in rows]
    return {
        "judged": judged.judged, "opened": list(judged.opened), "updated": judged.updated, "deliveries": asdict(sent),
        "alerts": listed, "idle": judged.judged == 0 and not judged.opened,
    }  # fmt: skip


def status(workspace: Workspace, _params: Params, *, report: Report = silent) -> dict[str, Any]:
    """What is waiting, done, quarantined, alerted; which model is champion, since when."""
    from inspection.monitoring.health import facts

    report(0, 0, "")
    if not workspace.root.is_dir():
        raise InputNotFoundError(f"No workspace: expected a folder at {workspace.root}, got none. Start one with `inspection run`.")
    with open_store(workspace) as store:
        return facts(store)


# ---- questions that do not touch the store -------------------------------------------------------------------------


def classify(
    workspace: Workspace, params: Params, *, paths: Sequence[Path], out: Path, model: str = "champion", report: Report = silent
) -> dict[str, Any]:
    """Score anything we can read into a Parquet file, one row per wafer; the store is read for the champion's name only."""
    from inspection.scoring.files import score_files
    from inspection.scoring.predictor import Predictor

    for path in paths:
        require_input(path)
    bundle = _bundle_of(workspace, model)
    predictor = Predictor.load(bundle, params.infer.batch_sizes)
    return {"model": model, **score_files(predictor, paths, out, params.ingest, report)}


def show_file(file: Path, workspace: Path, *, png: Path | None = None, index: int = 0) -> dict[str, Any]:
    """What ``file`` holds, in the wafer frame; with ``png``, a picture of its wafer number ``index``."""
    from inspection.formats import table
    from inspection.views.picture import draw
    from inspection.wafer.facts import facts_of

    if not file.is_file():
        raise InputNotFoundError(f"No such file: expected a defect map at {file}. Check the path.")
    limits = params_of(Workspace(workspace)).ingest
    wafers = list(table.read(file, limits))
    if png is not None:
        if index >= len(wafers):
            raise InputNotFoundError(f"No wafer {index} in {file}: it holds {len(wafers)}, counted from 0.")
        png.write_bytes(draw(wafers[index].map))
    return {"format": table.recognise(file).name, "wafers": [facts_of(w.map) for w in wafers]}


# ---- wiring ----------------------------------------------------------------------------------------------------------


def _bundle_of(workspace: Workspace, model: str) -> Path:
    from inspection.store.champions import current

    if not workspace.root.is_dir():
        raise InputNotFoundError(f"No workspace: expected one at {workspace.root} with a {model} model. Start one with `inspection run`.")
    if model != "champion":
        folder: Path = _registry(workspace).fetch(model, workspace.data / "fetched")
        return folder
    with open_store(workspace) as store:
        champion = current(store)
    if champion is None:
        raise InputNotFoundError(f"No champion in {workspace.root}: promote a version with `inspection promote --reason TEXT` first.")
    return Path(champion.bundle_path)


def _reader(workspace: Workspace) -> Callable[[list[dict[str, Any]]], list[Any]]:
    """Payloads -> maps from the canonical shards; a shard holds valid wafers only, so places are looked up by index."""
    from functools import lru_cache

    from inspection.formats.canonical import read_shard, shard_index

    @lru_cache(maxsize=256)
    def places(sha256: str) -> dict[int, int]:
        return {int(i): at for at, i in enumerate(shard_index(workspace.canonical / f"{sha256}.parquet")["index"])}

    def read(payloads: list[dict[str, Any]]) -> list[Any]:
        maps: list[Any] = [None] * len(payloads)
        by_file: dict[str, list[int]] = {}
        for position, payload in enumerate(payloads):
            by_file.setdefault(payload["file_sha256"], []).append(position)
        for sha256, positions in by_file.items():
            wanted = [places(sha256)[payloads[p]["index"]] for p in positions]
            for position, entry in zip(positions, read_shard(workspace.canonical / f"{sha256}.parquet", wanted), strict=True):
                maps[position] = entry.wafer.map
        return maps

    return read


def _evidence(workspace: Workspace) -> Callable[[Any], bytes | None]:
    """Draws an event: its wafers on one sheet, the likeliest first."""

    def drawn(event: Any) -> bytes | None:
        from inspection.views.picture import contact_sheet

        shown = list(event.wafers)[:6]
        maps = _reader(workspace)([{"file_sha256": w["file_sha256"], "index": w["index"]} for w in shown])
        titles = [
            f"{event.lot or m.info.lot} {w['wafer']}  {event.signature} {w['probability']:.0%}".strip()
            for m, w in zip(maps, shown, strict=True)
        ]
        return contact_sheet(maps, titles)

    return drawn


def _lineage(workspace: Workspace) -> dict[str, str]:
    from importlib.metadata import version

    project = Project.open(workspace, Path.cwd())
    return {
        "snapshot_sha256": hashlib.sha256((workspace.snapshot / "manifest.json").read_bytes()).hexdigest(),
        "params_sha256": hashlib.sha256(project.params.read_bytes()).hexdigest(),
        "code_version": version("wafer-inspection"),
        "trained_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _outcome(workspace: Workspace, name: str) -> dict[str, Any]:
    """The few numbers of a DVC stage that a person wants to see in the closing table."""
    files = {"validate": "validation.json", "split": "split.json", "evaluate": "metrics.json"}
    path = workspace.data / files.get(name, "")
    if not path.is_file():
        return {}
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    wanted = ("wafers", "train", "validation", "test", "macro_f1", "macro_f1_low", "macro_f1_high", "escape_rate", "overkill_rate")
    return {k: content[k] for k in wanted if k in content}


def _told(report: Report, what: str, done: int, total: int) -> None:
    report(done, total, what)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")
