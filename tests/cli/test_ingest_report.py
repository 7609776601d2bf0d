"""What an ingest says at its end: every file is counted once, what was odd is shown, and nothing that waits is forgotten."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from inspection.cli import command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def klarf(wafer: str, rows: str = " 1 1000 1000 0 0", *, mark: str = "OrientationMarkLocation DOWN;\n", end: str = "EndOfFile;\n") -> str:
    return (
        "FileVersion 1 2;\nFileTimestamp 01-02-26 04:00:00;\nResultTimestamp 01-02-26 03:04:05;\nLotID L1;\nSampleSize 1 300;\n"
        f'StepID "M1";\nWaferID "{wafer}";\n{mark}DiePitch 10000 10000;\nSampleCenterLocation 5000 5000;\n'
        f"DefectRecordSpec 5 DEFECTID XREL YREL XINDEX YINDEX ;\nDefectList\n{rows};\n{end}"
    )


OFF = " 1 1000 1000 40 0\n 2 1000 1000 40 0"
SHORT = "SummarySpec 2 TESTNO NDEFECT ;\nSummaryList\n 1 9;\nEndOfFile;\n"


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    folder = tmp_path / "maps"
    folder.mkdir()
    maps = {"one": klarf("W1"), "two": klarf("W2"), "again": klarf("W2"), "off": klarf("W3", OFF), "cut": "FileVersion 1 2;\nEndOfFile;\n"}
    for name, text in maps.items():
        (folder / f"{name}.klarf").write_text(text)
    return folder


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """As ``inspection``, in this process."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "160")
        monkeypatch.setattr(sys, "argv", ["inspection", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            command_line()
        return int(end.value.code or 0), *capsys.readouterr()

    return run


@pytest.fixture
def asked(command: Callable[..., tuple[int, str, str]]) -> Callable[..., dict[str, Any]]:
    """The answer of a command as JSON; of an ingest, its numbers add up."""

    def ask(*words: object) -> dict[str, Any]:
        code, out, err = command(*words, "--json")
        assert code == 0, err
        answer: dict[str, Any] = json.loads(out)
        if words[0] == "ingest":
            parts = [answer[key] for key in ("new", "resumed", "known", "quarantined_files")]
            assert answer["read"] == sum(parts) + len(answer["left"]), answer
            assert answer["files"] == answer["new"] + answer["resumed"]
        return answer

    return ask


@pytest.mark.parametrize("source", ["empty", "only-labels", None, "maps/two.klarf", "maps"])
def test_a_released_file_is_taken_up_by_the_next_ingest_of_any_source(
    tmp_path: Path, landed: Path, asked: Callable[..., dict[str, Any]], command: Callable[..., tuple[int, str, str]], source: str | None
) -> None:
    first = asked("ingest", landed)
    assert (first["read"], first["new"], first["resumed"], first["known"], first["quarantined_files"]) == (5, 2, 0, 1, 2)
    assert asked("quarantine", "release", "--code", "wafer.outside")["files"] == 1
    (tmp_path / "empty").mkdir()
    (tmp_path / "only-labels").mkdir()
    (tmp_path / "only-labels" / "labels.csv").write_text("lot,wafer,label\n")
    code, _, said = command("ingest", "nowhere")
    assert code == 2
    assert "In the workspace 1 files wait" in said
    assert "`inspection ingest` without a source" in said
    answer = asked("ingest", *[source] if source else ())
    assert answer["quarantined"] == {"wafer.outside": {"files": 1, "wafers": 1}}, "read again, and as bad as before"
    code, _, said = command("ingest", "empty")
    assert code == 2, "nothing waits any more"
    assert "wait" not in said


def test_what_stays_where_it_is_is_counted_too(tmp_path: Path, landed: Path, asked: Callable[..., dict[str, Any]]) -> None:
    (tmp_path / "elsewhere.klarf").write_text(klarf("W9"))
    (landed / "link.klarf").symlink_to(tmp_path / "elsewhere.klarf")
    answer = asked("ingest", landed)
    assert (answer["read"], len(answer["left"])) == (6, 1)


def test_what_was_odd_is_counted_by_kind_with_an_example_and_a_way_to_all_of_it(
    tmp_path: Path, asked: Callable[..., dict[str, Any]], command: Callable[..., tuple[int, str, str]]
) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    for wafer in ("W1", "W2", "W3"):
        (folder / f"{wafer}.klarf").write_text(klarf(wafer, " 1 1000 1000 0 0\n 2 1000 1000 0 0", mark=""))
    (folder / "W4.klarf").write_text(klarf("W4", end=SHORT))
    (folder / "W5.klarf").write_text(klarf("W5"))
    (folder / "W6.klarf").write_text(klarf("W6", OFF, mark=""))
    answer = asked("ingest", folder, "--workspace", "asked")
    repeated = "points repeat another point's place"
    assert answer["notes"] == {"no mark": 3, repeated: 3, "summary": 1, "no summary": 4}, "not of a wafer that was refused"
    assert (answer["wafers"], answer["noted"]) == (5, 5)
    seen = answer["notes_seen"]["summary"]
    assert (seen["source"], seen["lot"], seen["wafer"]) == ("W4.klarf", "L1", "W4")
    assert "declares NDEFECT 9, the list holds 1" in seen["note"]
    assert asked("ingest", folder, "--workspace", "asked")["notes"] == {}, "told once, when they are taken in"

    told = " ".join(command("ingest", folder)[1].split())
    for words in ("taken in with notes", "no mark", "summary: test 1 declares NDEFECT 9", "W4.klarf: L1 W4", "`inspection history LOT"):
        assert words in told, words
    (found,) = asked("history", "L1", "W2")["inspections"]
    assert any(repeated in note for note in found["notes"])
    for question in (("history", "L1", "W2"), ("show", folder / "W2.klarf")):
        assert repeated in " ".join(command(*question)[1].split())
    assert "ingest would refuse this wafer: wafer.outside" in " ".join(command("show", folder / "W6.klarf")[1].split())
