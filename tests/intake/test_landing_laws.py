"""Laws of landing and claiming."""

import hashlib
import io
import os
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from line_maps import write_lines

from inspection.errors import InputNotFoundError
from inspection.intake import landing as landing_room
from inspection.intake import quarantine
from inspection.intake.archive import archived
from inspection.intake.content import content_sha256, safe_name, with_sidecar
from inspection.intake.endmarks import still_written
from inspection.intake.landing import waiting
from inspection.intake.search import Folder
from inspection.params import Ingest

LIMITS = Ingest()


def claim(source, workspace, store, limits, settle_s=0.0, **options):
    return landing_room.claim(source, workspace, store, limits, settle_s=settle_s, **options)


WITHOUT_END_MARK = ("empty", "scan.npy")
KLARF = b"FileVersion 1 2;\nLotID L1;\n"


def names(claims):
    return [one.name for one in claims]


def test_every_file_of_every_folder_is_claimed_byte_identical(landing, workspace, store):
    for name in ("a.klarf", "deep/er/b.001", "Ä ö (1).npz"):
        path = landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    claims = claim(landing, workspace, store, LIMITS)
    assert sorted(names(claims)) == ["a.klarf", "deep/er/b.001", "Ä ö (1).npz"]
    for one in claims:
        assert one.path.read_bytes() == (landing / one.name).read_bytes()
        assert one.path == workspace.archive / one.sha256 / safe_name(one.name)
        assert one.sha256 == hashlib.sha256(one.path.read_bytes()).hexdigest()
    again = claim(landing, workspace, store, LIMITS)
    assert again == claims == waiting(workspace, store)
    assert [one.resumed for one in (*claims, *again)] == [False] * 3 + [True] * 3


def test_a_single_file_can_be_the_source(landing, workspace, store):
    path = write_lines(landing / "one.maps", [])
    write_lines(landing / "other.maps", ["L 1 points"])
    assert names(claim(path, workspace, store, LIMITS)) == ["one.maps"]


def test_the_same_bytes_twice_are_one_file(landing, workspace, store):
    for name in ("a", "b", "c/a"):
        write_lines(landing / name, ["L 1 points"])
    assert names(claim(landing, workspace, store, LIMITS)) == ["a"]


def test_what_is_no_input_is_passed_over(landing, workspace, store):
    for name in (
        "labels.csv",
        "truth.parquet",
        "truth.csv",
        ".hidden",
        ".git/config",
        "lone.yaml",
        "x.yml",
        "real.maps",
    ):
        (landing / name).parent.mkdir(exist_ok=True)
        (landing / name).write_bytes(name.encode())
    assert names(claim(landing, workspace, store, LIMITS)) == ["real.maps"]


@pytest.mark.parametrize("form", ["scan.npy.yaml", "scan.yaml"])
def test_a_sidecar_travels_with_its_raster_and_belongs_to_its_identity(landing, workspace, store, form):
    (landing / "1").mkdir()
    (landing / "2").mkdir()
    for folder in "12":  # equal pixels, different wafers
        (landing / folder / "scan.npy").write_bytes(b"\x93NUMPY")
        (landing / folder / form).write_text(f"wafer: '{folder}'\n")
    claims = claim(landing, workspace, store, LIMITS)
    assert names(claims) == ["1/scan.npy", "2/scan.npy"]
    for one in claims:
        assert (one.path.parent / form).read_bytes() == (landing / one.name).with_name(form).read_bytes()
        assert content_sha256(with_sidecar(one.path)) == one.sha256


def test_a_wrong_path_is_an_error_and_an_empty_folder_is_not(landing, workspace, store):
    assert claim(landing, workspace, store, LIMITS) == []
    with pytest.raises(InputNotFoundError, match="No input: expected a file or folder"):
        claim(landing / "nowhere", workspace, store, LIMITS)


def test_no_link_leads_out_of_the_source(tmp_path, landing, workspace, store):
    outside = write_lines(tmp_path / "outside" / "secret.maps", ["L 1 points"])
    inside = write_lines(landing / "folder" / "inside.maps", ["L 2 points"])
    (landing / "escape.maps").symlink_to(outside)
    (landing / "escape-folder").symlink_to(outside.parent)
    (landing / "loop").symlink_to(landing / "loop")
    (landing / "alias.maps").symlink_to(inside)
    (landing / "scan.npy").write_bytes(b"\x93NUMPY")
    (landing / "scan.yaml").symlink_to(outside)
    told = {}
    claims = claim(landing, workspace, store, LIMITS, settle_s=0.0, notice=told.__setitem__)
    assert names(claims) == ["alias.maps", "scan.npy"]
    assert not any(b"L 1" in path.read_bytes() for path in workspace.archive.rglob("*") if path.is_file())
    assert set(told) == {"escape.maps", "escape-folder", "loop"}
    assert "leaves the source" in told["escape.maps"]


def test_a_pipe_is_refused_and_never_waited_for(landing, workspace, store):
    os.mkfifo(landing / "pipe.klarf")
    told = {}
    assert claim(landing, workspace, store, LIMITS, notice=told.__setitem__) == []
    assert "not a plain file" in told["pipe.klarf"]


def test_a_workspace_inside_the_source_is_not_eaten(tmp_path, workspace, store):
    write_lines(tmp_path / "good.maps", [])
    write_lines(workspace.archive / "x" / "own.maps", ["own"])
    assert names(claim(tmp_path, workspace, store, LIMITS)) == ["good.maps"]
    write_lines(workspace.landing / "landed.maps", ["landed"])
    assert "landed.maps" in names(claim(workspace.landing, workspace, store, LIMITS))
    assert not any("own" in name for name in names(claim(workspace.root, workspace, store, LIMITS)))


@given(name=st.text(max_size=300))
def test_a_safe_name_stays_in_its_folder_for_any_name(name):
    safe = safe_name(name)
    assert Path("/folder", safe).parent == Path("/folder")
    assert 0 < len(safe) <= 120
    assert not safe.startswith(".")
    assert safe.isascii()
    assert "\0" not in safe
    assert safe_name(safe) == safe


@pytest.mark.parametrize("name", ["scan.npy", "LOT_7.klarf", "CPS3T.001", "x.tar.gz"])
def test_an_ordinary_name_is_kept(name):
    assert safe_name(f"some/folder/{name}") == name


def zip_bytes():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("pixels.npy", b"0" * 500)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "begun", "ended"),
    [
        ("a.klarf", KLARF, KLARF + b"EndOfFile;\n"),
        ("a.001", b"\n  fileversion 1 1;\n", b"\n  fileversion 1 1;\nENDOFFILE ;"),
        ("a.klf", b'Record FileRecord "1.8" {', b'Record FileRecord "1.8" {\n}\nEndOfFile;'),
        ("a.npz", zip_bytes()[:200], zip_bytes()),
        ("a.parquet", b"PAR1....", b"PAR1....PAR1"),
        ("empty", b"", b"x"),
        ("scan.npy", b"\x93NUMPY", b"\x93NUMPY and more"),
    ],
)
def test_left_for_later_exactly_while_the_end_mark_is_missing_and_the_file_is_fresh(tmp_path, workspace, name, begun, ended):
    path = tmp_path / name
    path.write_bytes(begun)
    place = Folder(path, workspace)

    def growing(settle_s, after_s):
        (one,) = place.find(print)
        return still_written(place, one, settle_s, one.changed_at + timedelta(seconds=after_s))

    assert growing(2.0, 1)
    assert not growing(2.0, 3)
    assert not growing(0.0, 0)
    assert not growing(2.0, -3_600)  # a clock that is ahead must not hide a file for ever
    path.write_bytes(ended)
    assert growing(2.0, 1) == (name in WITHOUT_END_MARK)
    assert not growing(2.0, 3)


def test_a_file_still_being_written_is_claimed_when_it_is_complete(landing, workspace, store):
    path = landing / "growing.klarf"
    path.write_bytes(KLARF)
    told = {}
    assert claim(landing, workspace, store, LIMITS, settle_s=600, notice=told.__setitem__) == []
    assert "still being written" in told["growing.klarf"]
    with path.open("ab") as stream:
        stream.write(b"EndOfFile;\n")
    assert names(claim(landing, workspace, store, LIMITS, settle_s=600)) == ["growing.klarf"]


def test_an_old_file_without_its_end_mark_goes_on_to_its_reader(landing, workspace, store):
    path = landing / "cut.klarf"
    path.write_bytes(KLARF)
    assert names(claim(landing, workspace, store, LIMITS, settle_s=0.1, wait=True)) == ["cut.klarf"]


def test_a_file_beyond_the_limit_is_quarantined_and_not_copied(landing, workspace, store):
    with (landing / "huge.klarf").open("wb") as stream:
        stream.truncate((1 << 20) + 1)
    assert claim(landing, workspace, store, Ingest(max_file_mb=1)) == []
    (refused,) = quarantine.list(workspace, store)
    assert (refused.name, refused.reason["code"]) == ("huge.klarf", "file.too_large")
    assert not workspace.archive.exists()
    quarantine.release(workspace, store, refused.sha256)
    assert names(claim(landing, workspace, store, LIMITS)) == ["huge.klarf"]


def test_a_copy_that_a_killed_run_left_half_done_is_made_again(landing, workspace, store):
    path = write_lines(landing / "a.maps", ["L 1 points"])
    sha256 = content_sha256((path,))
    kept = archived(workspace, sha256, "a.maps")
    kept.parent.mkdir(parents=True)
    (kept.parent / ".aside-1-x").write_bytes(b"half")
    (one,) = claim(landing, workspace, store, LIMITS)
    assert one.path.read_bytes() == path.read_bytes()
    one.path.unlink()
    (again,) = claim(landing, workspace, store, LIMITS)
    assert again.path.read_bytes() == path.read_bytes()


def test_a_name_that_is_no_unicode_can_be_stored(landing, workspace, store):
    write_lines(Path(os.fsdecode(os.fsencode(landing) + b"/\xff\xfe.maps")), ["L 1 points"])
    assert names(claim(landing, workspace, store, LIMITS)) == ["\\xff\\xfe.maps"]


def test_progress_counts_the_files(landing, workspace, store):
    for k in range(3):
        write_lines(landing / f"{k}.maps", [str(k)])
    seen = []
    claim(landing, workspace, store, LIMITS, progress=lambda *pair: seen.append(pair))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize("moment", ["before the copy", "after the copy"])
def test_a_file_that_changes_while_it_is_claimed_is_left_for_later(landing, workspace, store, moment):
    path = write_lines(landing / "a.maps", ["L 1 points"])

    class Restless(Folder):
        def pieces(self, part):
            if moment == "before the copy":
                path.write_text("another content")
            yield from super().pieces(part)
            if moment == "after the copy":
                path.write_text("another content")

    told = []
    assert claim(Restless(landing, workspace), workspace, store, LIMITS, settle_s=0.0, notice=lambda *said: told.append(said)) == []
    assert [why for _, why in told] == ["left for later: it changed while it was read"]
    assert list(workspace.archive.rglob("*")) == []
    (one,) = claim(landing, workspace, store, LIMITS, settle_s=0.0)
    assert one.path.read_text() == "another content"
