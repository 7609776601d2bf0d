"""Whatever lies in a landing folder has its notice or its reason, and stops nothing else."""

import os
import shutil
import socket
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from line_maps import read_lines, write_lines

from inspection.formats.raster.sidecar import sidecar_path
from inspection.intake import quarantine
from inspection.intake.content import content_sha256, with_sidecar
from inspection.intake.ingest import ingest
from inspection.intake.landing import claim, land
from inspection.params import Ingest
from inspection.settings import Workspace
from inspection.store.database import Store

LIMITS = Ingest()
NOBODY = 65_534


def names(claims):
    return sorted(one.name for one in claims)


def looked_at(landing, workspace, store, **options):
    told = {}
    return land(landing, workspace, store, LIMITS, settle_s=0.0, notice=told.__setitem__, **options), told


def test_links_pipes_devices_and_sockets_are_told_and_stop_nothing(tmp_path, workspace, store, params):
    landing = Path(tempfile.mkdtemp())  # a socket's path must be short
    try:
        write_lines(landing / "good.maps", ["L1 1 points 1,2"])
        (landing / "outside.maps").symlink_to(write_lines(tmp_path / "secret" / "outside.maps", ["L2 1 points"]))
        (landing / "device.maps").symlink_to("/dev/zero")
        (landing / "sub").symlink_to(tmp_path / "secret")
        os.mkfifo(landing / "pipe.maps")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(landing / "socket.maps"))
            landed, told = looked_at(landing, workspace, store)
        assert names(landed.claims) == ["good.maps"]
        assert set(told) == {"outside.maps", "device.maps", "sub", "pipe.maps", "socket.maps"}
        assert ingest(landed.claims, workspace, store, params, read_lines).files == 1
    finally:
        shutil.rmtree(landing, ignore_errors=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only the superuser makes devices")
def test_a_device_is_told(landing, workspace, store):
    os.mknod(landing / "zero.klarf", 0o20666, os.makedev(1, 5))
    landed, told = looked_at(landing, workspace, store)
    assert (landed.claims, told) == ([], {"zero.klarf": "refused: not a plain file"})


@contextmanager
def no_superuser():
    """The superuser reads everything: for a while this process is nobody."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


def test_an_unreadable_file_or_folder_is_told_and_stops_nothing():
    top = Path(tempfile.mkdtemp())
    try:
        landing = top / "in"
        write_lines(landing / "good.maps", ["L1 1 points"])
        write_lines(landing / "secret.maps", ["L1 2 points"]).chmod(0)
        write_lines(landing / "closed" / "inside.maps", ["L1 3 points"])
        (landing / "closed").chmod(0)
        (top / "space").mkdir()
        for path in (top, landing, top / "space"):
            path.chmod(0o777)
        with no_superuser(), Store(f"sqlite:///{top / 'space' / 'store.sqlite'}") as store:
            landed, told = looked_at(landing, Workspace(top / "space"), store)
        assert names(landed.claims) == ["good.maps"]
        assert set(told) == {"secret.maps", "closed"}
        assert all("cannot be read: Permission denied" in why for why in told.values())
        assert (landed.read, landed.left) == (3, 2)
    finally:
        (top / "in" / "closed").chmod(0o700)
        shutil.rmtree(top)


@pytest.mark.parametrize(
    "name", ["two\nlines.maps", "x" * 250 + ".maps", "tab\there", "  blanks  ", "'; DROP TABLE files; --", "<b>&amp;.maps", "-rf"]
)
def test_any_name_is_claimed_and_can_be_shown_on_one_line(landing, workspace, store, params, name):
    write_lines(landing / name, ["L1 1 points"])
    landed, _ = looked_at(landing, workspace, store)
    (one,) = landed.claims
    assert one.name == name.replace("\n", "\\x0a").replace("\t", "\\x09")
    assert one.path.parent.parent == workspace.archive
    assert ingest(landed.claims, workspace, store, params, read_lines).files == 1


def test_a_name_that_breaks_lines_is_quarantined_like_any_other(landing, workspace, store, params):
    (landing / "bad\nname.maps").write_text("no maps")
    landed, _ = looked_at(landing, workspace, store)
    ingest(landed.claims, workspace, store, params, read_lines)
    (refused,) = quarantine.list(workspace, store)
    assert refused.name == "bad\\x0aname.maps"
    quarantine.release(workspace, store, refused.sha256)
    assert ingest(landed.claims, workspace, store, params, read_lines).quarantined_files == 1


def test_a_file_exchanged_for_a_pipe_after_it_was_listed_is_not_waited_for(landing, workspace, store):
    from inspection.intake.search import Folder

    class Exchanging(Folder):
        def pieces(self, part):
            Path(part.at).unlink()
            os.mkfifo(part.at)
            yield from super().pieces(part)

    write_lines(landing / "a.maps", ["L1 1 points"])
    told = {}
    assert claim(Exchanging(landing, workspace), workspace, store, LIMITS, settle_s=0.0, notice=told.__setitem__) == []
    assert "no longer a plain file" in told["a.maps"]


def test_a_file_that_grows_while_it_is_looked_at_twice_is_left_for_later(landing, workspace, store):
    path = landing / "growing.maps"
    path.write_text("maps\n")
    write_lines(landing / "whole.maps", ["L1 1 points"])
    stop = threading.Event()

    def grow():
        while not stop.wait(0.02):
            with path.open("a") as stream:
                stream.write("L1 1 points 1,1\n")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        told = {}
        claims = claim(landing, workspace, store, LIMITS, settle_s=0.5, wait=True, notice=told.__setitem__)
    finally:
        stop.set()
        writer.join()
    assert names(claims) == ["whole.maps"]
    assert "still being written" in told["growing.maps"]
    assert names(claim(landing, workspace, store, LIMITS, settle_s=0.2, wait=True)) == ["growing.maps", "whole.maps"]


def test_an_unchanged_file_is_read_once_and_a_changed_one_again_whatever_its_time_says(landing, workspace, store, params):
    from inspection.intake.search import Folder

    read = []

    class Counting(Folder):
        def pieces(self, part):
            read.append(part.name)
            yield from super().pieces(part)

    path = write_lines(landing / "a.maps", ["L1 1 points 1,1"])
    write_lines(landing / "b.maps", ["L1 2 points 1,1"])
    time.sleep(2.1)  # younger files are looked into again: their clock may not have ticked

    def look():
        read.clear()
        landed = land(Counting(landing, workspace), workspace, store, LIMITS)
        ingest(landed.claims, workspace, store, params, read_lines)
        return sorted(set(read)), landed.known

    assert look() == (["a.maps", "b.maps"], 0)
    assert look() == ([], 2)
    before = path.stat()
    write_lines(path, ["L1 1 points 2,2"])  # as long as before
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert look()[0] == []  # just changed, and no end mark: for later
    landed = land(landing, workspace, store, LIMITS, settle_s=0.0)
    assert names(landed.claims) == ["a.maps"]


def is_store(folder):
    return folder.name.endswith(".zarr")


def make_store(folder, chunk=b"0"):
    for name, content in {"zarr.json": b"{}", "c/0/0": chunk, "c/0/1": b"1"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def test_a_folder_that_is_one_source_is_claimed_whole_and_known_by_its_files(landing, workspace, store):
    for name, chunk in {"a.zarr": b"0", "same.zarr": b"0", "deep/b.zarr": b"9"}.items():
        make_store(landing / name, chunk)
    write_lines(landing / "lone.maps", ["L1 1 points"])
    landed, told = looked_at(landing, workspace, store, one_source=is_store)
    assert (names(landed.claims), landed.known, told) == (["a.zarr", "deep/b.zarr", "lone.maps"], 1, {})
    for one in landed.claims:
        original = landing / one.name
        assert content_sha256((one.path,)) == one.sha256 == content_sha256((original,))
        if original.is_dir():
            assert {p.relative_to(one.path): p.read_bytes() for p in one.path.rglob("*") if p.is_file()} == {
                p.relative_to(original): p.read_bytes() for p in original.rglob("*") if p.is_file()
            }
    assert names(claim(landing / "a.zarr", workspace, store, LIMITS, settle_s=0.0, one_source=is_store)) == names(landed.claims)


def test_the_sidecar_of_a_folder_travels_with_it_and_belongs_to_its_identity(landing, workspace, store):
    make_store(landing / "a.zarr")
    make_store(landing / "b.zarr")
    (landing / "a.zarr.yaml").write_text("lot: L1")
    landed, told = looked_at(landing, workspace, store, one_source=is_store)
    assert (names(landed.claims), landed.known, told) == (["a.zarr", "b.zarr"], 0, {})
    first = next(one for one in landed.claims if one.name == "a.zarr")
    assert sidecar_path(first.path).read_text() == "lot: L1"
    assert content_sha256(with_sidecar(landing / "a.zarr")) == first.sha256 == content_sha256(with_sidecar(first.path))
    (landing / "a.zarr.yaml").write_text("lot: L2")
    again, _ = looked_at(landing, workspace, store, one_source=is_store)
    assert names(again.claims).count("a.zarr") == 2


def test_the_identity_of_a_folder_names_its_files(tmp_path):
    contents = [{"c/0": b"ab", "c/1": b""}, {"c/0": b"a", "c/1": b"b"}, {"c/0": b"", "c/1": b"ab"}, {"c/0": b"ab", "c/2": b""}]
    found = set()
    for number, files in enumerate(contents):
        for name, content in files.items():
            path = tmp_path / str(number) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        found.add(content_sha256((tmp_path / str(number),)))
    assert len(found) == len(contents)


@pytest.mark.parametrize("odd", ["link", "pipe"])
def test_a_folder_with_more_than_plain_files_is_refused_whole(tmp_path, landing, workspace, store, odd):
    make_store(landing / "a.zarr")
    if odd == "link":
        (landing / "a.zarr" / "c" / "2").symlink_to(tmp_path)
    else:
        os.mkfifo(landing / "a.zarr" / "c" / "2")
    landed, told = looked_at(landing, workspace, store, one_source=is_store)
    assert landed.claims == []
    assert "c/2 in it is a link or not a plain file" in told["a.zarr"]
