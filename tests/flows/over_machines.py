"""Program that test_over_machines starts: one fab here and on a Dask cluster, with a machine killed in the middle of each stage."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from distributed import LocalCluster

from flows.engine import configure, local_api
from inspection import stages
from inspection.intake import workers
from inspection.settings import Workspace
from inspection.views import shards


def killed_after(cluster, begun):
    """A thread that kills one of the cluster's processes as soon as ``begun()``; the nanny starts another."""

    def kill():
        while not begun():
            time.sleep(0.002)
        victim = cluster.workers[0].process.pid
        os.kill(victim, signal.SIGKILL)
        killed.append(victim)

    killed = []
    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    return killed


def main(root):
    near, far, fab = Workspace(root / "near"), Workspace(root / "far"), root / "fab"
    params = stages.params_of(near)
    stages.simulate_fab(fab, lots=6, wafers=8, seed=0, difficulty="easy", format="klarf12")
    here = [stages.ingest(near, params, source=fab)]
    stages.snapshot(near, params)
    stages.materialise(near, params)
    shards.PART_WAFERS = 4  # many pieces, however small the input
    workers._BATCH_BYTES = 1 << 20
    here.append(stages.tile(near, params))
    configure(far)
    with local_api(far) as ready, LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        os.environ["INSPECTION_DASK_ADDRESS"] = cluster.scheduler_address
        from flows.ingest import ingest_flow
        from flows.tile import tile_flow

        ready()
        killed = killed_after(cluster, lambda: any(far.canonical.glob("*.parquet")))
        there = [step["result"] for step in ingest_flow(str(far.root), str(fab))][:1]
        stages.snapshot(far, params)
        stages.materialise(far, params)
        killed_drawing = killed_after(cluster, lambda: any(far.data.glob(".aside-*")))
        there.append(tile_flow(str(far.root))["result"])
    answer = {"here": here, "there": there, "killed": len(killed), "killed drawing": len(killed_drawing)}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
