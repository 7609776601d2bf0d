"""`inspection lot`: from ingested files to the page of a lot, judged against the lots before it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from inspection import stages
from inspection.errors import InputError, InputNotFoundError
from inspection.formats.klarf.writer import write_klarf12
from inspection.settings import Workspace
from inspection.stages.place import open_store, params_of
from inspection.store import tables
from inspection.wafer.maps import DefectMap, WaferInfo

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
LOTS, WAFERS, EVIL = 8, 6, "../../x"
"""The last of the lots has three times the defects at its edge; chamber B makes a Donut of its wafers in every lot from the fifth on."""


def wafer_map(lot: str, number: int, wafer: int, layer: str = "M1") -> DefectMap:
    rng = np.random.default_rng([number, wafer])
    angle, radius = rng.uniform(0, 2 * np.pi, 150), 140_000 * np.sqrt(rng.uniform(0, 1, 150))
    if number == LOTS and layer == "M1":
        radius[:30] = 146_000
    xy = np.column_stack((radius * np.cos(angle), radius * np.sin(angle))).round(3)
    at = AT + timedelta(days=number, minutes=wafer + (60 if layer == "M2" else 0))
    info = WaferInfo(
        lot=lot, wafer=f"{wafer:02d}", slot=WAFERS + 1 - wafer, product="P", layer=layer, tool="INSP1", chamber="AB"[wafer % 2],
        recipe=f"R{wafer % 2}", inspected_at=at,
    )  # fmt: skip
    return DefectMap(info=info, xy_um=xy, pitch_um=(7_000.5, 9_000.25), origin_um=(-3_500.25, 0.0))


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    folder = tmp_path_factory.mktemp("maps")
    labels = ["lot,wafer,label"]
    for number in range(1, LOTS + 1):
        for recipe in (0, 1):
            maps = [wafer_map(f"L{number}", number, w) for w in range(1, WAFERS + 1) if w % 2 == recipe]
            write_klarf12(folder / f"{number}_{recipe}.klarf", maps)
        labels += [f"L{number},{w:02d},{'Donut' if number >= 5 and w % 2 else 'Normal'}" for w in range(1, WAFERS + 1)]
    write_klarf12(folder / "second.klarf", [wafer_map("L2", 2, 1, "M2")])
    write_klarf12(folder / "odd.klarf", [wafer_map(EVIL, 9, 1)])
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    place = Workspace(folder.parent / "workspace")
    place.root.mkdir()
    stages.ingest(place, params_of(place), source=folder)
    return place


def drawn(workspace: Workspace, lot_name: str, **options: object) -> dict:
    return stages.lot(workspace, params_of(workspace), lot_name=lot_name, **options)


def test_the_lot_is_judged_against_those_before_it_and_its_bad_chamber_named(workspace: Workspace) -> None:
    result = drawn(workspace, f"L{LOTS}", reticle=(2, 2))
    assert (result["wafers"], result["layer"], result["product"]) == (WAFERS, "M1", "P")
    assert result["earlier"] == [f"L{n}" for n in range(1, LOTS)]
    zones = {zone["name"]: zone for zone in result["zones"]}
    assert zones["edge"]["stands_out"]
    assert zones["edge"]["low"] > 1.5
    assert not zones["whole wafer"]["stands_out"]
    assert sum(z["defects"] for z in result["zones"] if z["kind"] == "reticle") == result["defects"] == WAFERS * 150
    links = {link["factor"]: link for link in result["links"]}
    assert (links["chamber"]["verdict"], links["chamber"]["value"]) == ("goes with", "INSP1 B")
    assert (links["recipe"]["verdict"], links["recipe"]["value"]) == ("goes with", "R1")
    assert links["tool"]["verdict"] == "one value"
    text = Path(result["page"]).read_text(encoding="utf-8")
    order = [text.index(f"<b>{w:02d}</b> <span>slot {WAFERS + 1 - w}</span>") for w in range(WAFERS, 0, -1)]
    assert order == sorted(order)
    assert Path(result["page"]) == workspace.reports / "lots" / f"L{LOTS}_M1.html"


def test_a_lot_knows_only_what_was_before_it(workspace: Workspace) -> None:
    result = drawn(workspace, "L4")
    assert result["earlier"] == ["L1", "L2", "L3"]
    assert any("3 earlier lots" in s and "5 needed" in s for s in result["summary"])
    assert all(zone["p"] is None for zone in result["zones"])
    assert result["links"] == []
    again = drawn(workspace, "L6", most_earlier=2)
    assert again["earlier"] == ["L4", "L5"]


def test_the_layer_inspected_last_is_drawn_unless_another_is_named(workspace: Workspace) -> None:
    assert (drawn(workspace, "L2")["layer"], drawn(workspace, "L2")["wafers"]) == ("M2", 1)
    assert "M1" in drawn(workspace, "L2")["notes"][0]
    assert drawn(workspace, "L2", layer="M1")["wafers"] == WAFERS
    with pytest.raises(InputNotFoundError, match="expected one of M1, M2"):
        drawn(workspace, "L2", layer="M3")


def test_a_lot_that_is_not_there_is_refused_with_those_that_are_like_it(workspace: Workspace) -> None:
    with pytest.raises(InputNotFoundError, match=r"near it are .*L8"):
        drawn(workspace, "l8x")
    with pytest.raises(InputNotFoundError, match="the store has"):
        drawn(workspace, "nothing like them")


def test_whoever_names_a_wafer_that_is_not_there_is_told_which_are(workspace: Workspace) -> None:
    for ask in (stages.history, stages.explain):
        with pytest.raises(InputNotFoundError, match=r"No wafer 999 of lot L1: .*lot L1 has .+\. Check"):
            ask(workspace, params_of(workspace), lot="L1", wafer="999")
    with pytest.raises(InputNotFoundError, match="there is no lot 'l1x': near it are"):
        stages.history(workspace, params_of(workspace), "l1x", "1")


def test_a_lot_named_after_a_path_stays_in_its_folder_and_the_store_as_it_is(workspace: Workspace) -> None:
    def content() -> list:
        with open_store(workspace) as store, store.read() as connection:
            return [connection.execute(table.select()).all() for table in (tables.wafers, tables.predictions, tables.audit)]

    before = content()
    page = Path(drawn(workspace, EVIL)["page"])
    assert page.parent == workspace.reports / "lots"
    assert page.is_file()
    assert content() == before
    with pytest.raises(InputError, match="got a folder"):
        drawn(workspace, "L1", out=workspace.reports)


def test_the_command_says_the_same_to_a_person_and_a_program(tmp_path: Path, workspace: Workspace) -> None:
    def run(*words: object) -> subprocess.CompletedProcess[str]:
        env = os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100"}
        command = [sys.executable, "-m", "inspection.cli", "lot", *words, "--workspace", workspace.root]
        return subprocess.run(list(map(str, command)), cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=300)

    done = run(f"L{LOTS}", "--out", tmp_path / "lot.html", "--reticle", "2x3", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["page"] == str(tmp_path / "lot.html")
    assert sum(zone["kind"] == "reticle" for zone in result["zones"]) == 6
    told = run(f"L{LOTS}")
    assert told.returncode == 0, told.stderr
    for wanted in ("Zones that stand out", "goes with", "INSP1 B", "The page:"):
        assert wanted in told.stdout
    assert run("L9").returncode == run(f"L{LOTS}", "--reticle", "2").returncode == 2
