"""The ingest flow with its files read on a real Dask cluster: the same bytes as in one process, also when a worker is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
    import json, os, sys
    from pathlib import Path

    def main():
        from distributed import LocalCluster
        from flows.engine import configure, local_api
        from inspection import stages
        from inspection.settings import Workspace

        near, far = Workspace(sys.argv[1] + "/near"), Workspace(sys.argv[1] + "/far")
        fab = Path(sys.argv[1]) / "fab"
        stages.simulate_fab(fab, lots=2, wafers=8, seed=0, difficulty="easy", format="klarf12")
        here = stages.ingest(near, stages.params_of(near), source=fab)
        configure(far)
        with local_api(far) as ready, LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
            os.environ["INSPECTION_DASK_ADDRESS"] = cluster.scheduler_address
            from inspection.intake import workers
            workers._BATCH_BYTES = 1 << 20  # several batches, however small the input
            from flows.ingest import ingest_flow, over_machines
            ready()
            there, checked = ingest_flow(str(far.root), str(fab))
            ran = sorted({w["name"] for w in cluster.scheduler_info["workers"].values()})
        print(json.dumps({"here": here, "there": there["result"], "checked": checked["result"], "workers": len(ran)}), flush=True)

    if __name__ == "__main__":
        main()
"""


@pytest.mark.slow
def test_files_read_on_a_dask_cluster_give_the_same_shards_and_numbers(tmp_path: Path) -> None:
    pytest.importorskip("prefect_dask")
    script = tmp_path / "over_machines.py"
    script.write_text(textwrap.dedent(SCRIPT), encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=540)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.splitlines()[-1])
    for result in (answer["here"], answer["there"]):
        del result["seconds"]
    assert answer["there"] == answer["here"]
    assert answer["there"]["wafers"] >= 16
    shards = [{p.name: p.read_bytes() for p in (tmp_path / place / "canonical").iterdir()} for place in ("near", "far")]
    assert shards[0] == shards[1] != {}
    assert "read over machines" in flow_names(tmp_path / "far")


def flow_names(workspace: Path) -> set[str]:
    import sqlite3

    with sqlite3.connect(workspace / "prefect" / "prefect.db") as database:
        names = {name for (name,) in database.execute("select name from flow")}
    database.close()
    return names
