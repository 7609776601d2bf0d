"""Laws of writing aside: whole or not at all, whoever writes and whatever fails."""

import os
import subprocess
import sys

import pytest

from inspection.aside import aside, sweep, write_bytes


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
