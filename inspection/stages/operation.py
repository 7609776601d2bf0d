"""Stages of operation, on the store: what lands, what is scored, what is told. And the fab that supplies a run without input."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.settings import Settings
from inspection.stages.place import LANDED_FILES, SIMULATED_FAB, open_store, require_workspace, silent, told

if TYPE_CHECKING:
    from collections.abc import Callable

    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report

TRAINING_FAB: dict[str, Any] = {"lots": 40, "wafers": 25, "seed": 0, "difficulty": "easy", "format": "klarf12"}
"""The small fab of a run without input: what the first champion is trained on."""
FRESH_LOTS = 3
"""Lots that the fab delivers after the champion was promoted: they land unlabelled, are scored and may alert."""

EVIDENCE_WAFERS = 6
"""Wafers on the picture of an alert, the likeliest first."""


def simulate_fab(out: Path, *, report: Report = silent, **options: Any) -> dict[str, Any]:
    """Let the simulator write to ``out``; options as in ``inspection.simulator.fab.simulate``."""
    from dataclasses import asdict

    from inspection.simulator.fab import simulate as run_fab

    return asdict(run_fab(out, progress=partial(told, report, "lots"), **options))


def simulate(workspace: Workspace, _params: Params, *, report: Report = silent, fresh: bool = False) -> dict[str, Any]:
    """The run's own fab: the training lots, or with ``fresh`` the lots that land after the promotion. Written once."""
    folder = workspace.root / "simulated" / ("fresh" if fresh else "history")
    written = folder / "truth.csv"
    if written.is_file():
        return {"folder": str(folder), "idle": True}
    options = {**TRAINING_FAB, "lots": FRESH_LOTS, "first_lot": TRAINING_FAB["lots"] + 1} if fresh else dict(TRAINING_FAB)
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    result = simulate_fab(aside, labelled=not fresh, report=report, **options)
    shutil.rmtree(folder, ignore_errors=True)
    aside.rename(folder)
    return {"folder": str(folder), "idle": False, **result}


def trainable(workspace: Workspace) -> dict[str, Any]:
    """What there is to learn from and to serve: labelled valid wafers, the champion, and whether a candidate may replace it unasked.

    It may when there is none, and when the champion only ever saw the simulated fab while the candidate saw what landed.
    """
    from inspection.scoring.bundle import read_bundle
    from inspection.store.champions import current
    from inspection.store.labelled import labelled_wafers

    with open_store(workspace) as store:
        with store.read() as connection:
            labelled = len(labelled_wafers(connection))
        champion = current(store)
    replaceable = champion is None
    candidate = workspace.data / "bundle"
    if champion is not None and candidate.is_dir():
        origins = [read_bundle(folder).lineage.get("trained_on") for folder in (Path(champion.bundle_path), candidate)]
        replaceable = origins == [SIMULATED_FAB, LANDED_FILES]
    return {"labelled": labelled, "champion": None if champion is None else champion.version, "replaceable": replaceable}


def validate(workspace: Workspace, params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Great Expectations over every lot and day with new wafers; what fails is recorded and stops nothing."""
    from inspection.intake.expectations import site
    from inspection.intake.lots import validate as check_new

    with open_store(workspace) as store:
        checks = check_new(workspace, store, params.validate_, partial(told, report, "suites"))
    lots, days = ([c for c in checks if c.suite == suite] for suite in ("lot", "day"))
    cold = [c for c in lots if c.cold_start]
    return {
        "lots": len(lots),
        "days": len(days),
        "failed": [
            f"{c.subject}: {', '.join(f'{fault} {count}' for fault, count in c.failed.items())}"[:200] for c in checks if not c.passed
        ],
        "cold_start": len(cold),
        "days_cold_start": sum(c.cold_start for c in days),
        "without_history": [f"{c.subject}: physics alone, {c.statistics['lots_missing']} earlier lots missing" for c in cold],
        "idle": not checks,
        "data_docs": str(site(workspace.expectations)),
    }


def enqueue(workspace: Workspace, _params: Params, *, report: Report = silent) -> dict[str, Any]:
    """Put every wafer that no model has scored into the ledger, once.

    Labelled wafers are known already and only scored when nothing else ever landed: then the test part stands for fresh lots.
    """
    from inspection.dataset.parts import read_parts
    from inspection.inference.ledger import StoreLedger
    from inspection.store.predictions import any_unlabelled, never_scored

    report(0, 0, "ledger")
    with open_store(workspace) as store:
        with store.read() as connection:
            waiting = never_scored(connection, labelled=False)
            if not waiting and not any_unlabelled(connection):
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
    from inspection.inference.shards import ShardReader
    from inspection.inference.worker import Worker
    from inspection.store.champions import Champion, current

    with open_store(workspace) as store:
        ledger = StoreLedger(store)
        if until_empty and ledger.unfinished() == 0:
            return {"scored": 0, "idle": True}

        def load(champion: Champion) -> Any:
            from inspection.scoring.predictor import Predictor

            return Predictor.load(Path(champion.bundle_path), params.infer.batch_sizes)

        worker = Worker(store, ledger, load, ShardReader(workspace.canonical), partial(current, store), params.infer, port=metrics_port)
        done = worker.run(until_empty=until_empty, handle_signals=True, progress=partial(told, report, "wafers"))
    if done.stopped and until_empty:
        raise KeyboardInterrupt  # the batch in hand is stored and the rest handed back: the caller must not go on to the next stage
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
        judged = judge(store, params.alert, params.classes, [s.name for s in sinks], progress=partial(told, report, "predictions"))
        sent = deliver(
            store, sinks, workspace, np.random.default_rng(), draw=_evidence(workspace), progress=partial(told, report, "notifications")
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
    require_workspace(workspace)
    with open_store(workspace) as store:
        return facts(store)


def _evidence(workspace: Workspace) -> Callable[[Any], bytes | None]:
    """Draws an event: its wafers on one sheet, the likeliest first."""

    def drawn(event: Any) -> bytes | None:
        from inspection.inference.shards import ShardReader
        from inspection.views.picture import contact_sheet, describe, to_png

        shown = sorted(event.wafers, key=lambda w: -w.probability)[:EVIDENCE_WAFERS]
        maps = ShardReader(workspace.canonical)([{"file_sha256": w.file_sha256, "index": w.index} for w in shown])
        titles = [describe(m.info, event.signature, w.probability) for m, w in zip(maps, shown, strict=True)]
        return to_png(contact_sheet(maps, titles, columns=3, size_px=320))

    return drawn
