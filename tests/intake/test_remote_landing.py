"""A landing place behind a URL, against a real S3 server on loopback and the file systems that fsspec brings."""

import hashlib
import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

import numpy as np
import pytest
import zarr
from line_maps import read_lines, write_lines

from inspection.errors import EngineError, InputError, InputNotFoundError
from inspection.formats import table
from inspection.formats.raster.zarr_store import is_store
from inspection.intake import quarantine
from inspection.intake.content import content_sha256, with_sidecar
from inspection.intake.ingest import ingest
from inspection.intake.landing import claim, land
from inspection.intake.place import local_path, open_place
from inspection.params import Ingest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
LIMITS = Ingest()
GOOD = ["L1 1 points 1,2 3,4"]


@pytest.fixture(scope="module")
def s3_server():
    moto = pytest.importorskip("moto.moto_server.threaded_moto_server")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, monkeypatch):
    """URL of a new bucket; the credentials lie in the environment only."""
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", s3_server)
    name = f"landing-{uuid.uuid4().hex[:12]}"
    fs = s3fs.S3FileSystem(endpoint_url=s3_server, skip_instance_cache=True)
    fs.mkdir(name)
    return f"s3://{name}", fs


def text_of(lines):
    return "\n".join(["maps", *lines, "end"]).encode() + b"\n"


def names(claims):
    return sorted(one.name for one in claims)


class Counting:
    """A place that counts the fetches."""

    def __init__(self, place):
        self._place, self.fetched = place, []

    def __getattr__(self, name):
        return getattr(self._place, name)

    def pieces(self, part):
        self.fetched.append(part.name)
        yield from self._place.pieces(part)


def test_a_bucket_gives_what_a_folder_gives(bucket, workspace, store, params, landing):
    url, fs = bucket
    content = {
        "a.maps": text_of(GOOD),
        "deep/er/b.maps": text_of(["L2 1 dies 2 2 1210"]),
        "cut.maps": b"maps\nL",
        "same.maps": text_of(GOOD),
    }
    for name, data in content.items():
        fs.pipe_file(f"{url}/lots/{name}", data)
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).write_bytes(data)
    landed = land(f"{url}/lots/", workspace, store, LIMITS, settle_s=0.0)
    assert names(landed.claims) == names(claim(landing, workspace, store, LIMITS, settle_s=0.0)) == ["a.maps", "cut.maps", "deep/er/b.maps"]
    assert (landed.read, landed.known) == (4, 1)
    for one in landed.claims:
        assert one.path.read_bytes() == content[one.name]
        assert one.sha256 == hashlib.sha256(content[one.name]).hexdigest()
    report = ingest(landed.claims, workspace, store, params, read_lines)
    assert (report.files, report.quarantined_files) == (2, 1)
    assert quarantine.list(workspace, store)[0].path.joinpath("cut.maps").read_bytes() == content["cut.maps"]


def test_the_endpoint_may_come_from_the_usual_variable(bucket, s3_server, workspace, store, monkeypatch):
    url, fs = bucket
    fs.pipe_file(f"{url}/a.maps", text_of(GOOD))
    monkeypatch.delenv("INSPECTION_S3_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert names(claim(url, workspace, store, LIMITS, settle_s=0.0)) == ["a.maps"]


def test_a_single_object_and_its_sidecar(bucket, workspace, store, landing):
    url, fs = bucket
    for name, data in {"scan.npy": b"\x93NUMPY", "scan.yaml": b"wafer: W7\n", "other.maps": text_of(GOOD)}.items():
        fs.pipe_file(f"{url}/{name}", data)
        (landing / name).write_bytes(data)
    for source in (f"{url}/scan.npy", url):
        found = {one.name: one for one in claim(source, workspace, store, LIMITS, settle_s=0.0)}
    assert sorted(found) == ["other.maps", "scan.npy"]
    kept = found["scan.npy"].path
    assert kept.with_name("scan.yaml").read_bytes() == b"wafer: W7\n"
    assert found["scan.npy"].sha256 == content_sha256(with_sidecar(kept)) == content_sha256(with_sidecar(landing / "scan.npy"))


def test_a_zarr_store_in_a_bucket_is_one_source_as_on_a_disk(bucket, workspace, store, landing):
    url, fs = bucket
    array = np.zeros((40, 60), np.uint8)
    array[3, 5] = 9
    zarr.open_group(landing / "deep" / "a.zarr", mode="w").create_array("0", data=array, chunks=(16, 16))
    zarr.create_array(landing / "b", data=array, zarr_format=2)
    (landing / "deep" / "a.zarr.yaml").write_text("lot: L1\npixel_um: 10")
    (landing / "b.yml").write_text("lot: L2\npixel_um: 10")
    for path in (p for p in landing.rglob("*") if p.is_file()):
        fs.pipe_file(f"{url}/{path.relative_to(landing).as_posix()}", path.read_bytes())
    on_disk = claim(landing, workspace, store, LIMITS, settle_s=0.0, one_source=is_store)
    landed = land(url, workspace, store, LIMITS, settle_s=0.0)
    assert names(on_disk) == names(landed.claims) == ["b", "deep/a.zarr"]
    assert {one.sha256 for one in landed.claims} == {one.sha256 for one in on_disk}
    for one, lot in zip(sorted(landed.claims, key=lambda one: one.name), ("L2", "L1"), strict=True):
        (wafer,) = table.read(one.path, LIMITS)
        assert (wafer.map.info.lot, wafer.map.defects) == (lot, 1)
    assert names(claim(f"{url}/deep/a.zarr", workspace, store, LIMITS, settle_s=0.0)) == names(on_disk)


def test_keys_of_a_store_that_no_folder_can_have_are_left_out(bucket, workspace, store, landing):
    url, fs = bucket
    zarr.create_array(landing / "a.zarr", data=np.zeros((4, 4), np.uint8), zarr_format=2)
    for path in (p for p in landing.rglob("*") if p.is_file()):
        fs.pipe_file(f"{url}/a.zarr/{path.name}", path.read_bytes())
    for odd in ("0.0/deeper", "x/" + "n" * 300, "..", "../../b", "y//z"):
        fs.call_s3("put_object", Bucket=url.removeprefix("s3://"), Key=f"a.zarr/{odd}", Body=b"1")
    (one,) = claim(url, workspace, store, LIMITS, settle_s=0.0)
    assert {p.relative_to(one.path).as_posix() for p in one.path.rglob("*") if p.is_file()} <= {".zarray", ".zattrs", "0.0/deeper"}


def test_what_is_no_input_is_passed_over_and_labels_are_found(bucket, workspace, store, tmp_path):
    url, fs = bucket
    for name in ("labels.csv", ".hidden", ".git/config", "truth.csv", "lone.yaml", "folder/", "real.maps"):
        fs.pipe_file(f"{url}/{name}", name.encode())
    assert names(claim(url, workspace, store, LIMITS, settle_s=0.0)) == ["real.maps"]
    assert open_place(url, workspace).label_table(tmp_path).read_text() == "labels.csv"


def test_an_unchanged_object_is_fetched_once_and_a_changed_one_again(bucket, workspace, store, params, monkeypatch):
    from inspection.intake import claiming as room

    monkeypatch.setattr(room, "_STEADY", room.timedelta(seconds=-3_600))  # the server's clock has whole seconds
    url, fs = bucket
    fs.pipe_file(f"{url}/a.maps", text_of(GOOD))
    fs.pipe_file(f"{url}/b.maps", text_of(["L1 2 points"]))

    def look():
        place = Counting(open_place(url, workspace))
        landed = land(place, workspace, store, LIMITS, settle_s=0.0)
        ingest(landed.claims, workspace, store, params, read_lines)
        return place.fetched, landed.known

    assert look() == (["a.maps", "b.maps"], 0)
    assert look() == ([], 2)
    fs.pipe_file(f"{url}/b.maps", text_of(["L1 3 points"]))
    assert look() == (["b.maps"], 1)


def test_an_object_is_left_for_later_while_its_end_mark_is_missing_and_it_is_fresh(bucket, workspace, store):
    url, fs = bucket
    fs.pipe_file(f"{url}/cut.klarf", b"FileVersion 1 2;\nLotID L1;\n")
    fs.pipe_file(f"{url}/whole.klarf", b"FileVersion 1 2;\nLotID L2;\nEndOfFile;\n")
    told = {}
    assert names(claim(url, workspace, store, LIMITS, settle_s=600, notice=told.__setitem__)) == ["whole.klarf"]
    assert "still being written" in told["cut.klarf"]
    assert names(claim(url, workspace, store, LIMITS, settle_s=0.2, wait=True)) == ["cut.klarf", "whole.klarf"]


@pytest.mark.parametrize("moment", ["changed", "gone"])
def test_an_object_that_changes_or_goes_while_it_is_fetched_is_left_for_later(bucket, workspace, store, moment):
    url, fs = bucket
    fs.pipe_file(f"{url}/a.maps", text_of(GOOD))
    fs.pipe_file(f"{url}/b.maps", text_of(["L1 2 points"]))

    class Restless(Counting):
        def pieces(self, part):
            yield from self._place.pieces(part)
            if part.name == "a.maps":
                fs.pipe_file(part.at, text_of(["L9 9 points"])) if moment == "changed" else fs.rm_file(part.at)

    told = {}
    place = Restless(open_place(url, workspace))
    assert names(claim(place, workspace, store, LIMITS, settle_s=0.0, notice=told.__setitem__)) == ["b.maps"]
    assert told["a.maps"].startswith("left for later")


def test_a_name_of_300_bytes_or_with_a_control_character_is_claimed(bucket, workspace, store):
    url, fs = bucket
    for number, name in enumerate(("long/" + "x" * 300 + ".maps", "a\ttab.maps")):
        fs.pipe_file(f"{url}/{name}", text_of([f"L1 {number} points"]))
    claims = claim(url, workspace, store, LIMITS, settle_s=0.0)
    assert names(claims) == ["a\\x09tab.maps", "long/" + "x" * 300 + ".maps"]
    assert all(one.path.is_file() and len(one.path.name) <= 120 for one in claims)


def test_wrong_urls_are_refused_in_words(bucket, workspace, monkeypatch):
    url, _ = bucket
    with pytest.raises(InputNotFoundError, match="No input"):
        open_place(f"{url}-nowhere", workspace)
    with pytest.raises(InputNotFoundError, match="No input"):
        open_place(f"{url}/nowhere/", workspace)
    with pytest.raises(InputError, match="credentials"):
        open_place("s3://key:s3cret@bucket/x", workspace)
    with pytest.raises(InputError, match="fsspec knows"):
        open_place("nonsense://bucket/x", workspace)
    monkeypatch.setenv("INSPECTION_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(EngineError, match="Check the endpoint"):
        open_place(url, workspace)


def test_a_missing_package_names_the_extra(tmp_path):
    (tmp_path / "s3fs.py").write_text("raise ImportError('no s3fs here')\n")
    code = "import sys; from inspection.cli import command_line; sys.argv = ['inspection', 'ingest', 's3://bucket/x']; command_line()"
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "wafer-inspection[s3]" in done.stderr
    assert not (tmp_path / "workspace").exists()


def test_other_file_systems_serve_alike(workspace, store, tmp_path):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lots/a.maps", text_of(GOOD))
    assert names(claim("memory://lots", workspace, store, LIMITS, settle_s=0.0)) == ["a.maps"]
    write_lines(tmp_path / "with blank" / "b.maps", ["L1 2 points"])
    assert names(claim(f"file://{tmp_path}/with blank", workspace, store, LIMITS, settle_s=0.0)) == ["a.maps", "b.maps"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        ("a/b", "a/b"),
        ("file:///a%20b", "/a b"),
        ("s3://b/k", None),
        ("simplecache::s3://b/k", None),
        ("a:b", "a:b"),
        (Path("s3:/b"), "s3:/b"),
    ],
)
def test_a_url_is_told_from_a_path(source, path):
    assert local_path(source) == (None if path is None else Path(path))


def test_the_command_reads_a_bucket_with_its_labels(bucket, tmp_path):
    url, fs = bucket
    fab = tmp_path / "fab"
    env = os.environ | {"PYTHONPATH": str(ROOT)}

    def inspection(*words):
        command = [sys.executable, "-m", "inspection.cli", *words, "--json"]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    inspection("simulate", str(fab), "--lots", "2", "--wafers", "4")
    for path in sorted(fab.rglob("*")):
        if path.is_file():
            fs.put_file(str(path), f"{url}/fab/{path.relative_to(fab).as_posix()}")
    from_folder = inspection("ingest", str(fab), "--workspace", "near")
    from_bucket = inspection("ingest", f"{url}/fab", "--workspace", "far")
    again = inspection("ingest", f"{url}/fab", "--workspace", "far")
    for answer in (from_folder, from_bucket, again):
        del answer["seconds"]
    assert from_bucket == from_folder
    assert from_bucket["labels"]["matched"] > 0
    assert (again["new"], again["known"], again["read"]) == (0, from_bucket["read"], from_bucket["read"])
    shards = [{p.name: p.read_bytes() for p in (tmp_path / place / "canonical").iterdir()} for place in ("near", "far")]
    assert shards[0] == shards[1] != {}
    assert inspection("status", "--workspace", "far")["done"]["files"] == from_bucket["new"]
