"""Every file that lands has exactly one outcome."""

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest
from line_maps import read_lines, write_lines
from sqlalchemy import select

from inspection.errors import EngineError, InputNotFoundError, Reason
from inspection.formats.canonical import read_shard
from inspection.intake import quarantine
from inspection.intake.ingest import ingest
from inspection.intake.labels import read_labels
from inspection.intake.landing import claim
from inspection.params import Ingest, Params
from inspection.store.tables import files, wafers

GOOD = ["L1 1 points 1,2 3,4", "L1 2 points", "L1 3 dies 2 2 1210"]


@pytest.fixture
def take_in(landing, workspace, store, params):
    def act(**options):
        claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
        return ingest(claims, workspace, store, options.pop("params", params), options.pop("read", read_lines), **options)

    return act


def rows(store, table):
    with store.read() as connection:
        return [dict(row) for row in connection.execute(select(table)).mappings()]


def test_a_good_file_becomes_rows_and_a_shard_that_agree(landing, workspace, store, take_in):
    write_lines(landing / "lot" / "good.maps", GOOD)
    report = take_in()
    assert (report.files, report.wafers, report.quarantined_files, report.quarantined_wafers) == (1, 3, 0, 0)
    (file,) = rows(store, files)
    assert (file["state"], file["wafers"], file["name"]) == ("ingested", 3, "lot/good.maps")
    stored = rows(store, wafers)
    shard = list(read_shard(workspace.canonical / f"{file['sha256']}.parquet"))
    assert [(w.source, w.wafer.index, w.wafer.map.info.wafer, w.wafer.map.defects) for w in shard] == [
        (row["source"], row["index"], row["wafer"], row["defects"]) for row in stored
    ]
    assert [row["kind"] for row in stored] == ["points", "points", "dies"]
    assert [row["defects"] for row in stored] == [2, 0, 1]
    assert {row["state"] for row in stored} == {"valid"}


def test_a_second_run_does_nothing(landing, workspace, take_in):
    write_lines(landing / "good.maps", GOOD)
    write_lines(landing / "bad.maps", ["L 1 fault index"])
    take_in()
    before = {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*") if "store" not in path.name}
    assert take_in().files == 0
    assert {path: path.stat().st_mtime_ns for path in workspace.root.rglob("*") if "store" not in path.name} == before


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no maps at all", "maps.truncated"),
        ("maps\nL 1 points 1,1\nL 2 fault index\nend\n", "file.unreadable"),
        ("maps\nL 2 fault runtime\nend\n", "file.unreadable"),
        ("maps\nL 2 points x,y\nend\n", "file.unreadable"),
        ("maps\nend\n", "file.no_wafer"),
        ("maps\nL 1 points 9e9,0\nL 2 points nan,1\nend\n", "wafer.outside"),
    ],
)
def test_a_bad_file_goes_to_quarantine_byte_identical_with_the_reason(landing, workspace, store, take_in, text, code):
    (landing / "bad.maps").write_text(text)
    write_lines(landing / "good.maps", GOOD)
    report = take_in()
    assert (report.files, report.quarantined_files) == (1, 1)
    (refused,) = quarantine.list(workspace, store)
    assert refused.reason["code"] == code
    assert (refused.path / "bad.maps").read_text() == text
    reason = json.loads((refused.path / "reason.json").read_text())
    assert reason == {"sha256": refused.sha256, "name": "bad.maps", "wafers": refused.wafers, **refused.reason}
    assert all(reason[key] for key in ("code", "where", "expected", "got", "action"))
    assert not (workspace.archive / refused.sha256).exists()
    assert not (workspace.canonical / f"{refused.sha256}.parquet").exists()
    assert {row["source"] for row in rows(store, wafers)} == {"good.maps"}


def test_a_wafer_that_cannot_be_stops_neither_its_file_nor_the_others(landing, workspace, store, take_in):
    write_lines(landing / "mixed.maps", [GOOD[0], "L1 7 points 9e9,0", GOOD[2]])
    report = take_in()
    assert (report.files, report.wafers, report.quarantined_wafers) == (1, 2, 1)
    assert [(row["index"], row["state"]) for row in rows(store, wafers)] == [
        (0, "valid"),
        (1, "quarantined"),
        (2, "valid"),
    ]
    bad = rows(store, wafers)[1]
    assert bad["reason"]["code"] == "wafer.outside"
    shard = workspace.canonical / f"{bad['file_sha256']}.parquet"
    assert [one.wafer.index for one in read_shard(shard)] == [0, 2]


def test_more_wafers_than_the_limit_are_refused(landing, workspace, store, take_in):
    write_lines(landing / "many.maps", GOOD)
    take_in(params=Params(ingest=Ingest(max_wafers=2)))
    assert quarantine.list(workspace, store)[0].reason["code"] == "file.wafers"


def test_a_released_file_is_read_again_by_a_mended_reader(landing, workspace, store, take_in):
    def broken(path, limits):
        raise ValueError(f"not yet: {path}, {limits}")

    write_lines(landing / "good.maps", GOOD)
    take_in(read=broken)
    (refused,) = quarantine.list(workspace, store)
    quarantine.release(workspace, store, refused.sha256[:12])
    assert take_in().files == 1
    assert quarantine.list(workspace, store) == ()
    assert not refused.path.exists()
    with pytest.raises(InputNotFoundError, match="Cannot find"):
        quarantine.release(workspace, store, refused.sha256)


def test_a_claimed_file_whose_copy_went_away_has_an_outcome_and_can_land_again(landing, workspace, store, params, take_in):
    write_lines(landing / "good.maps", GOOD)
    claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
    shutil.rmtree(workspace.archive)
    ingest(claims, workspace, store, params, read_lines)
    (refused,) = quarantine.list(workspace, store)
    assert refused.reason["code"] == "file.lost"
    quarantine.release(workspace, store, refused.sha256)
    assert take_in().files == 1


def test_labels_reach_old_and_new_wafers_and_what_fits_nothing_is_reported(landing, store, take_in, tmp_path):
    write_lines(landing / "a.maps", ["L1 01 points", "L1 2 points"])
    take_in()
    write_lines(landing / "b.maps", ["L1 1 dies 1 1 2", "L2 1 dies 1 1 2"])
    (tmp_path / "labels.csv").write_text("lot,wafer,label\nL1,1,Ring\nL9,1,Ring\nL2,1,\n")
    labels = read_labels(tmp_path / "labels.csv", ["Ring"])
    report = take_in(labels=labels)
    found = {(row["source"], row["index"]): row["label"] for row in rows(store, wafers)}
    assert found == {("a.maps", 0): "Ring", ("a.maps", 1): None, ("b.maps", 0): "Ring", ("b.maps", 1): None}
    assert report.labels.unmatched == (("L9", "1"),)
    assert (report.labels.matched, report.labels.changed) == (3, 2)
    assert take_in(labels=labels).labels.changed == 0


def test_the_label_of_the_source_stays_where_the_table_is_silent(landing, store, take_in):
    write_lines(landing / "a.maps", ["- - dies 1 1 2", "- - dies 1 1 1"])
    take_in()
    assert [row["label"] for row in rows(store, wafers)] == ["Donut", None]


def test_a_bare_file_name_that_several_sources_have_labels_none_of_them(landing, store, take_in, tmp_path):
    write_lines(landing / "x" / "a.maps", ["L1 1 points"])
    write_lines(landing / "y" / "a.maps", ["L1 2 points"])
    (tmp_path / "labels.csv").write_text("source,index,label\na.maps,0,Ring\n")
    report = take_in(labels=read_labels(tmp_path / "labels.csv", ["Ring"]))
    assert report.labels.ambiguous == (("a.maps", "0"),)
    assert {row["label"] for row in rows(store, wafers)} == {None}


def test_progress_counts_files_and_wafers(landing, take_in):
    write_lines(landing / "a.maps", [f"L {k} points" for k in range(600)])
    write_lines(landing / "b.maps", GOOD)
    seen = []
    take_in(progress=lambda *told: seen.append(told))
    assert seen == [(0, 2, 500), (0, 2, 600), (1, 2, 600), (1, 2, 603), (2, 2, 603)]


def long_file(path, where):
    rng = np.random.default_rng(0)
    points = " ".join(f"{x:.3f},{y:.3f}" for x, y in rng.normal(0, 30_000, (7_000, 2)))
    lines = [f"L1 {k} points" for k in range(3_000)] if where == "store" else [f"L1 1 points {points}"]
    return write_lines(path, lines)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("where", "from_then_on", "limit"),
    [("copy", "before_claim", 100_000), ("shard", "before_ingest", 20_000), ("store", "before_ingest", 150_000)],
)
def test_a_full_disk_is_an_engine_error_and_a_later_run_finishes(runner, tmp_path, where, from_then_on, limit):
    # A limit on the size of files stands for a full disk: the write fails half-way with an OSError, or inside SQLite.
    landing, root, clean = tmp_path / "in", tmp_path / "full", tmp_path / "clean"
    long_file(landing / "large.maps", where)
    runner.start(landing, root, from_then_on, limit)
    assert runner.status() == 7
    said = root.with_suffix(".error").read_text()
    assert {"copy": "Cannot copy", "shard": "Cannot ingest", "store": "Cannot write the store"}[where] in said
    assert "run the same command again" in said
    assert not (root / "quarantine").exists()
    assert not [path for path in root.rglob("*") if ".aside-" in path.name or path.name.endswith(".part")]
    for folder in (root, clean):
        runner.start(landing, folder)
        assert runner.status() == 0
    for folder in ("archive", "canonical"):
        kept = {path.relative_to(root): path.read_bytes() for path in (root / folder).rglob("*") if path.is_file()}
        assert kept == {p.relative_to(clean): p.read_bytes() for p in (clean / folder).rglob("*") if p.is_file()}
        assert kept


def test_a_fault_of_the_machine_while_reading_quarantines_nothing(landing, workspace, store, take_in):
    def failing(path, limits):
        del limits
        raise OSError(5, "Input/output error", str(path))

    write_lines(landing / "good.maps", GOOD)
    with pytest.raises(EngineError, match="run the same command again"):
        take_in(read=failing)
    assert quarantine.list(workspace, store) == ()
    assert take_in().files == 1


def test_a_fault_of_the_bytes_that_looks_like_one_of_the_machine_is_quarantined(landing, workspace, store, take_in):
    def failing(path, limits):
        raise OSError(f"Not a gzipped file: {path}, {limits}")

    write_lines(landing / "bad.maps", GOOD)
    assert take_in(read=failing).quarantined_files == 1
    assert quarantine.list(workspace, store)[0].reason["code"] == "file.unreadable"


def test_an_index_twice_is_the_fault_of_the_file(landing, workspace, store, take_in):
    write_lines(landing / "twice.maps", GOOD)
    report = take_in(read=lambda path, limits: (replace(wafer, index=0) for wafer in read_lines(path, limits)))
    assert (report.files, report.quarantined_files) == (0, 1)
    (refused,) = quarantine.list(workspace, store)
    assert refused.reason["code"] == "file.wafers"
    assert rows(store, wafers) == []


def test_a_time_with_a_zone_is_stored_as_utc(landing, store, take_in):
    write_lines(landing / "good.maps", GOOD[:1])
    at = datetime(2026, 1, 2, 5, 4, tzinfo=timezone(timedelta(hours=2)))

    def timed(path, limits):
        for wafer in read_lines(path, limits):
            yield replace(wafer, map=replace(wafer.map, info=replace(wafer.map.info, inspected_at=at)))

    take_in(read=timed)
    assert [row["inspected_at"] for row in rows(store, wafers)] == [datetime(2026, 1, 2, 3, 4)]  # noqa: DTZ001 - the store keeps naive UTC


def test_a_reason_made_good_from_quarantine_is_the_reason_to_the_byte(workspace, store):
    reason = Reason("wafer.outside", where="lot L", expected="less", got="more", action="Check it.")
    (workspace.archive / "abc").mkdir(parents=True)
    quarantine.put(workspace, store, "abc", "a.maps", reason, wafers=2)
    found = quarantine.left_behind(workspace, "abc")
    assert found is not None
    assert (json.dumps(found[0]), found[1]) == (json.dumps(reason.to_dict()), 2)
