"""What the operating system refuses is told in words; the conditions are real ones."""

import errno
import os
import resource
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from inspection.console import errors
from inspection.system import refusal

NOBODY = 65_534


def refused(act, *arguments):
    with pytest.raises(OSError) as caught:  # noqa: PT011 - which one, the test says
        act(*arguments)
    return refusal(caught.value)


def written(path):
    path.write_bytes(b"x" * 8192)


@contextmanager
def limited(which, soft):
    was = resource.getrlimit(which)
    resource.setrlimit(which, (soft, was[1]))
    try:
        yield
    finally:
        resource.setrlimit(which, was)


def test_a_full_disk_is_the_machines_fault():
    told = refused(written, Path("/dev/full"))
    assert (told.is_path, told.got) == (False, "a full disk")
    assert "df -h" in told.told("Cannot write")
    assert "run the same command again" in told.told("Cannot write")


def test_too_many_open_files_are_the_machines_fault(tmp_path):
    with limited(resource.RLIMIT_NOFILE, 3):
        told = refused(open, tmp_path / "any", "wb")
    assert (told.is_path, told.got) == (False, "too many open files")
    assert "ulimit -n" in told.action


@pytest.mark.parametrize(
    ("path", "expected", "got"),
    [
        ("folder", "a file", "a folder"),
        ("file/below", "a folder", "a file on the way to it"),
        ("nowhere/file", "a folder to write to", "nothing there"),
        ("loop", "a file or a folder", "links that lead in a circle"),
        ("n" * 300, "255 bytes", "a longer one"),
    ],
)
def test_a_path_that_cannot_be_used_says_what_it_is_instead(tmp_path, path, expected, got):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    told = refused(written, tmp_path / path)
    assert told.is_path
    assert expected in told.expected
    assert told.got == got
    assert len(told.told("Cannot write")) < 400
    assert str(tmp_path)[:50] in told.where


def test_a_folder_where_a_file_lies_already(tmp_path):
    (tmp_path / "file").touch()
    assert "something else of that name" in refused((tmp_path / "file").mkdir).told("Cannot make it")


def test_a_missing_right_names_the_user_and_the_path():
    top = Path(tempfile.mkdtemp())
    was = os.geteuid()
    try:
        top.chmod(0o500)
        if was == 0:  # the superuser writes everywhere
            os.seteuid(NOBODY)
        told = refused(written, top / "file")
    finally:
        os.seteuid(was)
        shutil.rmtree(top)
    assert told.is_path
    assert str(top / "file") in told.told("Cannot write")
    assert f"user {NOBODY if was == 0 else was}" in told.got


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_fault_has_all_its_parts_on_one_line(number):
    line = refusal(OSError(number, os.strerror(number), "/some/place")).told("Cannot write")
    assert line.startswith("Cannot write at /some/place: expected ")
    assert ", got " in line
    assert line.endswith(".")
    assert "\n" not in line


def test_a_long_story_of_a_library_is_cut():
    line = refusal(OSError("Unable to load libjvm\n" + "dlopen failed\n" * 500)).told("Cannot read")
    assert "Unable to load libjvm" in line
    assert "dlopen" not in line
    assert len(line) < 400


@pytest.mark.parametrize(("path", "code"), [("/dev/full", 1), (".", 2)])
def test_the_exit_code_tells_the_machine_from_a_wrong_path(capsys, path, code):
    with pytest.raises(SystemExit) as end, errors():
        written(Path(path))
    assert end.value.code == code
    assert "expected" in capsys.readouterr().err
