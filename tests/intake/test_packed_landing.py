"""Packed files land like any other: claimed byte for byte, a raster with its sidecar, damaged ones in quarantine with the reason."""

import gzip
import json

import numpy as np
import pyarrow as pa
import pytest

from inspection.formats import table
from inspection.formats.canonical import read_shard
from inspection.intake.ingest import ingest
from inspection.intake.landing import claim

PACK = {".gz": gzip.compress, ".zst": lambda content: pa.Codec("zstd").compress(content, asbytes=True)}
SINF = b"LOT:L7\nWAFER:3\nFNLOC:180\nROWCT:2\nCOLCT:2\nRowData:01 1F\nRowData:__ 01\n"


@pytest.fixture
def take_in(landing, workspace, store, params):
    def act():
        claims = claim(landing, workspace, store, params.ingest, settle_s=0.0)
        return ingest(claims, workspace, store, params, table.read, recognise=table.recognise)

    return act


def stored(workspace):
    return [item for shard in sorted(workspace.canonical.glob("*.parquet")) for item in read_shard(shard)]


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("form", ["scan.yaml", "scan.npy.yaml", "scan.npy{}.yaml"])
def test_a_packed_raster_takes_its_sidecar_along(landing, workspace, take_in, suffix, form):
    pixels = np.zeros((60, 60), np.uint8)
    pixels[0, 59] = 1
    np.save(landing / "plain.npy", pixels)
    content = (landing / "plain.npy").read_bytes()
    (landing / "plain.npy").unlink()
    (landing / f"scan.npy{suffix}").write_bytes(PACK[suffix](content))
    (landing / form.format(suffix)).write_text("lot: L9\npixel_um: 1000\nthreshold: 1\n", encoding="utf-8")
    report = take_in()
    assert (report.files, report.wafers, report.quarantined_files) == (1, 1, 0)
    (item,) = stored(workspace)
    assert (item.source, item.wafer.map.info.lot) == (f"scan.npy{suffix}", "L9")
    assert item.wafer.map.xy_um.tolist() == [[29_500.0, 29_500.0]]


def test_whole_and_damaged_packed_maps(landing, workspace, take_in):
    whole = gzip.compress(SINF)
    (landing / "a.sinf.gz").write_bytes(whole)
    (landing / "b.sinf.gz").write_bytes(whole[:-9])
    (landing / "c.sinf.gz").write_bytes(gzip.compress(whole))
    report = take_in()
    assert (report.files, report.wafers, report.quarantined_files) == (1, 1, 2)
    assert [item.wafer.map.info.lot for item in stored(workspace)] == ["L7"]
    reasons = [json.loads(path.read_text(encoding="utf-8"))["code"] for path in workspace.quarantine.rglob("reason.json")]
    assert sorted(reasons) == ["compressed.damaged", "compressed.nested"]
