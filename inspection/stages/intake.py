"""Stages of intake: what lands, what was refused and is released, and all inspections of one wafer."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inspection.settings import Settings
from inspection.stages.place import has_store, open_store, require_input, require_workspace, silent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from inspection.intake.ingest import IngestReport
    from inspection.intake.labels import Labels
    from inspection.intake.landing import Claim, Landing
    from inspection.intake.parsing import Parsed, Parser
    from inspection.intake.place import Place
    from inspection.intake.quarantine import Quarantined
    from inspection.params import Params
    from inspection.settings import Workspace
    from inspection.stages.place import Report

    Spread = Callable[[Parser, Iterable[Claim]], Iterator[tuple[Claim, Parsed | None]]]


def ingest(
    workspace: Workspace, params: Params, *, report: Report = silent, source: Path | str | None = None, spread: Spread | None = None
) -> dict[str, Any]:
    """Claim, recognise, parse and check what lies in ``source``; the ``labels.csv`` beside it is applied.

    Parameters
    ----------
    source : Path, str or None
        A file, a folder or a URL; default: the landing folder. What is still being written in the landing folder is left for the
        next call; elsewhere it is looked at twice. Whatever it is, files that were released or whose run was interrupted are taken
        up again.
    spread : callable, optional
        Reads the files elsewhere, see :func:`inspection.intake.ingest.ingest`.

    Returns
    -------
    dict
        Files, of which each is counted once: ``read == new + resumed + known + quarantined_files + len(left)``. ``new`` were taken
        in, ``resumed`` too, but an earlier run had claimed them and was interrupted, or they were released from quarantine (``files``
        = both); ``known`` had their outcome before; ``left`` stay where they are, each as ``NAME: WHY``.

        Wafers: ``wafers`` are the valid ones of ``files``, of which ``resumed_wafers`` of resumed ones, ``superseded``
        those that a newer version replaced. ``quarantined`` by code as ``{"files", "wafers"}``, their sums ``quarantined_files
        quarantined_wafers``. ``notes`` are the valid wafers with a note, by its kind, most first; ``noted`` those with any,
        ``notes_seen`` for each kind one of them.

        ``seconds``, ``idle``, and ``labels`` when there is a label table, or images lie in folders of their classes; in it
        ``without_entry``, the classes that ``params.yaml`` has no entry for.

    Raises
    ------
    KeyboardInterrupt
        Ctrl-C; its text says what was done.
    """
    from inspection.formats import table
    from inspection.formats.raster.zarr_store import is_store
    from inspection.intake.ingest import ingest as take_in
    from inspection.intake.landing import land
    from inspection.intake.place import open_place

    if source is None:
        workspace.landing.mkdir(parents=True, exist_ok=True)
    else:
        _require_source(workspace, source)
    place = _with_images(open_place(workspace.landing if source is None else source, workspace, is_store), source, workspace, params)
    labels = _labels(place, params)
    left: list[str] = []
    progress = _Told(report)
    with open_store(workspace) as store, progress.interruptible():
        landing = land(
            place, workspace, store, params.ingest,
            wait=source is not None, notice=lambda name, why: left.append(f"{name}: {why}"),
            progress=progress.looked,
        )  # fmt: skip
        done = take_in(
            landing.claims, workspace, store, params, table.read,
            recognise=table.recognise, labels=labels, spread=spread, workers=Settings().workers,
            progress=progress.read,
        )  # fmt: skip
    result = _counts(landing, done, left)
    if labels is not None and (own := sorted({label for label in labels.entries.values() if label} - params.classes.keys())):
        result["labels"]["without_entry"] = own
    return result


@dataclass
class _Told:
    """Passes progress on; at Ctrl-C the interrupt says how far it was, since the caller has no other answer."""

    report: Report
    far: str = "before anything was read"

    def looked(self, done: int, total: int) -> None:
        self.far = f"after {done:,} of {total:,} files were looked at and before any was read"
        self.report(done, total, "files looked at")

    def read(self, files: int, total: int, wafers: int) -> None:
        self.far = f"after {files:,} of {total:,} files were read, {wafers:,} wafers; the others are copied into the workspace and wait"
        self.report(files, total, f"files, {wafers:,} wafers")

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            advice = "What is done stays done, nothing is half done: run the same command again to go on with the rest."
            raise KeyboardInterrupt(f"Interrupted {self.far}. {advice}") from None


def _require_source(workspace: Workspace, source: Path | str) -> None:
    """Refuse a source that is not there, before anything is started; an empty folder will do while files wait in the workspace."""
    from inspection.errors import InputNotFoundError
    from inspection.intake.landing import waiting
    from inspection.intake.place import local_path

    try:
        require_input(source)
    except InputNotFoundError as error:
        if not has_store(workspace):
            raise
        with open_store(workspace) as store:
            files = len(waiting(workspace, store))
        path = local_path(source)
        if not files:
            raise
        if path is None or not path.is_dir():
            hint = f"In the workspace {files} files wait, released or interrupted: `inspection ingest` without a source takes them in."
            raise InputNotFoundError(f"{error} {hint}") from error


def read_claims(workspace: Workspace, params: Params, claims: Sequence[Claim]) -> list[Parsed]:
    """Read claimed files and write their shards, anywhere that sees the workspace; the store is not touched."""
    from inspection.formats import table
    from inspection.intake.parsing import Parser

    parser = Parser(workspace.canonical, params, table.read, table.recognise)
    return [parser.parse(claim) for claim in claims]


def read_by(read_batches: Callable[[Iterable[list[Claim]]], Iterator[tuple[list[Claim], list[Parsed] | None]]]) -> Spread:
    """``spread`` of :func:`ingest` for an engine that reads many batches of files at once: (batch, answer) of each, None = died."""
    from inspection.intake.workers import read_by as made

    return made(read_batches)


def quarantine_list(workspace: Workspace, _params: Params, *, report: Report = silent, code: str | None = None) -> dict[str, Any]:
    """The refused files, in the order they landed; with ``code``, those of one reason."""
    from inspection.intake import quarantine

    report(0, 0, "")
    with open_store(workspace) as store:
        found = [_entry(one) for one in quarantine.list(workspace, store) if code in {None, one.reason.get("code")}]
    return {"quarantined": found, "files": len(found)}


def quarantine_show(workspace: Workspace, _params: Params, id: str, *, report: Report = silent) -> dict[str, Any]:  # noqa: A002
    """Everything about one refused file: the reason, and where its bytes lie."""
    from inspection.intake import quarantine

    report(0, 0, "")
    with open_store(workspace) as store:
        return _entry(quarantine.find(workspace, store, id))


def quarantine_release(
    workspace: Workspace,
    _params: Params,
    *,
    report: Report = silent,
    ids: Sequence[str] = (),
    code: str | None = None,
    everything: bool = False,
) -> dict[str, Any]:
    """Give refused files back to the next ingest: those named, those of one reason, or all. A wrong name releases none."""
    from inspection.intake import quarantine

    with open_store(workspace) as store:
        chosen = {one.sha256: one for one in (quarantine.find(workspace, store, name) for name in ids)}
        chosen |= {one.sha256: one for one in quarantine.list(workspace, store) if everything or (code and one.reason.get("code") == code)}
        for done, sha256 in enumerate(chosen, 1):
            quarantine.release(workspace, store, sha256)
            report(done, len(chosen), "files")
    return {"released": [{"sha256": one.sha256, "name": one.name} for one in chosen.values()], "files": len(chosen), "idle": not chosen}


def history(workspace: Workspace, _params: Params, lot: str, wafer: str, *, report: Report = silent) -> dict[str, Any]:
    """All inspections of one wafer: its layers, its re-inspections, and the versions that newer ones superseded."""
    from inspection.errors import InputNotFoundError
    from inspection.stages.lot_rows import known_wafers
    from inspection.store.supersession import inspections

    report(0, 0, "")
    require_workspace(workspace)
    with open_store(workspace) as store, store.read() as connection:
        rows = [dict(row) for row in inspections(connection, lot, wafer)]
        there = "" if rows else known_wafers(connection, lot)
    if not rows:
        raise InputNotFoundError(f"No wafer {wafer} of lot {lot}: expected one that was ingested, got none; {there}. Check both names.")
    return {"lot": lot, "wafer": wafer, "inspections": rows}


def _with_images(place: Place, source: Path | str | None, workspace: Workspace, params: Params) -> Place:
    from inspection.intake.images import with_images
    from inspection.intake.place import local_path

    def dense(path: Path) -> bool:
        from inspection.formats.image.density import is_dense

        return is_dense(path, params.ingest)

    root = workspace.landing if source is None else local_path(source)
    with tempfile.TemporaryDirectory(prefix="inspection-labels-") as folder:
        return with_images(place, None if root is None else root.resolve(), params.classes, Path(folder), dense)


def _labels(place: Place, params: Params) -> Labels | None:
    from inspection.intake.labels import read_labels

    with tempfile.TemporaryDirectory(prefix="inspection-labels-") as folder:
        beside = place.label_table(Path(folder))
        return None if beside is None else read_labels(beside, params.classes)


def _counts(landing: Landing, done: IngestReport, left: list[str]) -> dict[str, Any]:
    files, wafers = done.refused_files + landing.refused, done.refused_wafers
    result: dict[str, Any] = {
        "read": landing.read, "new": done.files - done.resumed_files, "resumed": done.resumed_files,
        "known": landing.known + done.known, "superseded": done.superseded,
        "files": done.files, "wafers": done.wafers, "resumed_wafers": done.resumed_wafers,
        "quarantined_files": files.total(), "quarantined_wafers": wafers.total(),
        "quarantined": {code: {"files": files[code], "wafers": wafers[code]} for code in sorted(files | wafers)},
        "notes": dict(done.notes.kinds.most_common()), "noted": done.notes.wafers, "notes_seen": done.notes.examples,
        "left": left, "seconds": done.seconds, "idle": not landing.claims,
    }  # fmt: skip
    if done.labels is not None:
        result["labels"] = {
            "matched": done.labels.matched, "changed": done.labels.changed,
            "unmatched": [" ".join(k) for k in done.labels.unmatched[:10]], "unmatched_rows": len(done.labels.unmatched),
        }  # fmt: skip
    return result


def _entry(one: Quarantined) -> dict[str, Any]:
    return {
        "sha256": one.sha256, "name": one.name, "bytes": one.size, "wafers": one.wafers, "landed_at": one.landed_at.isoformat(),
        "path": str(one.path) if one.path.is_dir() else None, **one.reason,
    }  # fmt: skip
