"""Every kind of fault in every format, by the way that a landed file takes: each ends with its code, and spoils no other file."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import diemap_faults
import image_faults
import klarf_faults
import numpy as np
import packed_faults
import points_faults
import pytest
import raster_faults
from fault import LEFT, NOTED, QUARANTINED, WAFER
from sqlalchemy import select

from inspection.formats import table
from inspection.formats.raster.zarr_store import is_store
from inspection.intake import quarantine
from inspection.intake.content import content_sha256, with_sidecar
from inspection.intake.ingest import ingest
from inspection.intake.landing import land
from inspection.params import Ingest, Params
from inspection.settings import Workspace
from inspection.store.database import Store
from inspection.store.tables import files, wafers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fault import Fault

KINDS = [*klarf_faults.KINDS, *diemap_faults.KINDS, *points_faults.KINDS, *raster_faults.KINDS, *image_faults.KINDS, *packed_faults.KINDS]
WHOLE = os.environ.get("INSPECTION_SOAK") == "1"
SEEDS = range(25 if WHOLE else 2)
LONGEST_REASON = 1_000
PARAMS = Params(ingest=Ingest(max_file_mb=packed_faults.MOST_MB, max_defects=klarf_faults.MOST_DEFECTS))


@dataclass(frozen=True)
class Case:
    """A damaged file in the landing folder: where it lies, and what it is known by."""

    path: Path
    sha256: str
    held: dict[str, bytes]


@dataclass(frozen=True)
class Outcome:
    """What a workspace holds after the ingest."""

    workspace: Workspace
    states: dict[str, str]
    rows: dict[str, list[dict]]
    refused: dict[str, dict[str, str]]
    told: dict[str, str]


def held(path: Path) -> dict[str, bytes]:
    """Contents of a file with its sidecar, or of all files of a folder, by their names."""
    parts = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else with_sidecar(path)
    return {p.relative_to(path).as_posix() if path.is_dir() else p.name: p.read_bytes() for p in parts}


def damaged(fault: Fault, landing: Path, seed: int) -> Case:
    """One clean file and one damaged one in the landing folder."""
    made = []
    for number, name in enumerate(("good", "bad")):
        folder = landing / f"{seed:02d}" / name
        folder.mkdir(parents=True)
        made.append(fault.clean(np.random.default_rng([seed, number]), folder))
    before = held(made[1])
    fault.damage(np.random.default_rng([seed, 2]), made[1])
    if fault.ends == LEFT:
        return Case(made[1], "", {})
    now = held(made[1])
    assert now != before, "the damage changed nothing"
    parts = (made[1],) if made[1].is_dir() else with_sidecar(made[1])
    return Case(made[1], content_sha256(parts), now)


def taken_in(landing: Path, root: Path) -> Outcome:
    """What lies in ``landing``, claimed, read, checked and stored as `inspection ingest` does it."""
    workspace, told = Workspace(root), {}
    root.mkdir()
    with Store(f"sqlite:///{workspace.store}") as store:
        landed = land(landing, workspace, store, PARAMS.ingest, settle_s=0.0, notice=told.__setitem__, one_source=is_store)
        ingest(landed.claims, workspace, store, PARAMS, table.read, recognise=table.recognise)
        refused = {one.sha256: one.reason for one in quarantine.list(workspace, store)}
        with store.read() as connection:
            states = {row["sha256"]: row["state"] for row in connection.execute(select(files)).mappings()}
            rows: dict[str, list[dict]] = {}
            for row in connection.execute(select(wafers)).mappings():
                rows.setdefault(row["file_sha256"], []).append(dict(row))
    return Outcome(workspace, states, rows, refused, told)


def verdict(fault: Fault, case: Case, found: Outcome, landing: Path) -> str:
    """What is wrong with the outcome of a damaged file; empty = nothing."""
    if fault.ends == QUARANTINED:
        return next(_refused(fault, case, found), "")
    if fault.ends == LEFT:
        why = found.told.get(case.path.relative_to(landing).as_posix(), "nothing")
        return "" if fault.codes[0] in why else f"told {why!r}"
    rows = found.rows.get(case.sha256, [])
    if found.states.get(case.sha256) != "ingested" or not (found.workspace.canonical / f"{case.sha256}.parquet").is_file():
        return f"not taken in: {found.refused.get(case.sha256)}"
    if fault.ends == WAFER:
        codes = [row["reason"]["code"] for row in rows if row["state"] == "quarantined"]
        return "" if codes == [*fault.codes] and len(rows) > 1 else f"wafers refused: {codes} of {len(rows)}"
    assert fault.ends == NOTED
    notes = [note for row in rows for note in row["notes"]]
    return "" if any(note.startswith(fault.codes) for note in notes) else f"notes {notes}"


def _refused(fault: Fault, case: Case, found: Outcome) -> Iterator[str]:
    """All that is wrong with a refusal."""
    reason, workspace = found.refused.get(case.sha256), found.workspace
    if reason is None:
        yield f"not refused: {found.states.get(case.sha256)}, {found.rows.get(case.sha256)}"
        return
    if reason["code"] not in fault.codes:
        yield f"refused by {reason}"
    if not all(reason[key].strip() for key in ("where", "expected", "got", "action")) or max(map(len, reason.values())) > LONGEST_REASON:
        yield f"a reason that says too little or too much: {reason}"
    if case.sha256 in found.rows or (workspace.canonical / f"{case.sha256}.parquet").exists():
        yield "something of it is in the store"
    if reason["code"] == "file.too_large":  # it stays where it landed
        kept = held(case.path)
    else:
        folder = workspace.quarantine / case.sha256
        written = json.loads((folder / quarantine.REASON_NAME).read_text())
        if any(written[key] != value for key, value in reason.items()):
            yield f"reason.json says {written}, the store {reason}"
        plain = {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file() and p.name != quarantine.REASON_NAME}
        kept = held(folder / case.path.name) if case.path.is_dir() else plain
    if kept != case.held:
        yield f"other bytes: {sorted(kept)} for {sorted(case.held)}"


@pytest.mark.soak(inside=True)
@pytest.mark.parametrize("fault", KINDS, ids=[kind.name for kind in KINDS])
def test_every_fault_ends_with_its_code_and_its_neighbour_is_taken_in(tmp_path, record_property, fault):
    landing = tmp_path / "fab" / "in"
    cases = {seed: damaged(fault, landing, seed) for seed in SEEDS}
    outside = sorted(p for p in tmp_path.rglob("*") if not p.is_relative_to(landing))
    found = taken_in(landing, tmp_path / "fab" / "workspace")
    wrong = {seed: said for seed, case in cases.items() if (said := verdict(fault, case, found, landing))}
    record_property("soak", {"table": "Fault corpus", "row": fault.format, "kinds": 1, "files": len(cases), "wrong": len(wrong)})
    assert not wrong
    damaged_files = {case.sha256 for case in cases.values()}
    assert [state for sha256, state in found.states.items() if sha256 not in damaged_files] == ["ingested"] * len(cases)
    assert outside == sorted(p for p in tmp_path.rglob("*") if not p.is_relative_to(landing) and not p.is_relative_to(found.workspace.root))


def test_the_corpus_covers_every_format_of_the_table():
    assert len(KINDS) >= 40
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    assert {kind.format for kind in KINDS} == {known.name for known in table.FORMATS} | {"compressed", "any"}
