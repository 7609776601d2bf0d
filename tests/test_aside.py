"""Laws of writing aside: whole or not at all, whoever writes and whatever fails."""

import os
import subprocess
import sys

import pytest

from inspection import aside as room
from inspection.aside import alive, aside, aside_folder, sweep, write_bytes


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_bytes(tmp_path / "a", b"old")

    def fail():
        with aside(tmp_path / "a") as temporary:
            temporary.write_bytes(b"half")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - the one raised above
        fail()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"old")]


def test_two_writers_never_share_a_place(tmp_path):
    with aside(tmp_path / "a") as one, aside(tmp_path / "a") as other:
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("a", b"one")]


def test_only_what_the_dead_left_is_swept(tmp_path):
    with aside(tmp_path / "a") as temporary:
        mine = temporary.name
        temporary.touch()
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        (tmp_path / mine.replace(f"-{os.getpid()}-", f"-{dead.pid}-")).touch()
        of_another_machine = tmp_path / mine.replace(mine.split("-")[1], "0000aaaa").replace(f"-{os.getpid()}-", f"-{dead.pid}-")
        of_another_machine.touch()
        sweep(tmp_path)
        sweep(tmp_path / "no such folder")
        assert {p.name for p in tmp_path.iterdir()} == {mine, of_another_machine.name}
        os.utime(of_another_machine, (0, 0))
        sweep(tmp_path)
        assert [p.name for p in tmp_path.iterdir()] == [mine]


@pytest.mark.parametrize("in_one_step", [True, False])
def test_a_folder_takes_the_place_of_the_old_one_and_nothing_else_stays(tmp_path, monkeypatch, in_one_step):
    if not in_one_step:
        monkeypatch.setattr(room, "_change_places", lambda *_: False)
    for content in ("old", "new"):
        with aside_folder(tmp_path / "a") as folder:
            (folder / content).touch()
        assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == ["a", f"a/{content}"]


def test_at_no_moment_is_there_no_folder(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: pytest.fail("moved in two steps"))
    if not room._change_places(tmp_path, tmp_path):
        pytest.skip("two folders cannot change places in one step here")
    with aside_folder(tmp_path / "a") as folder:
        (folder / "new").touch()
    assert (tmp_path / "a" / "new").exists()


def test_a_process_that_was_killed_and_not_yet_asked_about_is_not_alive():
    with subprocess.Popen(["sleep", "600"]) as child:
        assert alive(child.pid)
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it stays a zombie
        assert not alive(child.pid)
