"""A table of points and its sidecar are ingested as one: the copy in the archive reads like the original."""

from __future__ import annotations

import pytest

from inspection.formats import table
from inspection.intake.landing import claim
from inspection.params import Ingest
from inspection.settings import Workspace
from inspection.store.database import Store


@pytest.mark.parametrize("name", ["one.yaml", "one.csv.yml", "points.yaml"])
def test_the_archived_copy_reads_like_the_original(tmp_path, name):
    landed = tmp_path / "landed"
    landed.mkdir()
    (landed / "one.csv").write_text("A;B\n1,5;2\n")
    (landed / name).write_text("columns: {x: B, y: A}\nunit: mm\nwafer: W1")
    workspace = Workspace(tmp_path / "workspace")
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        (claimed,) = claim(landed, workspace, store, Ingest(), settle_s=0)
    (found,) = table.read(claimed.path, Ingest())
    assert (found.map.info.wafer, found.map.xy_um.tolist()) == ("W1", [[2000.0, 1500.0]])
