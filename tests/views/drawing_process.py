"""Programs that test_packed_views starts: draw in processes, and say which processes these are."""

import multiprocessing
import os
import sys
import time
from pathlib import Path

from inspection.views.processes import draw_in_processes
from inspection.views.renderer import ViewSpec
from inspection.views.shards import Drawing, write_views


class Deadly(Drawing):
    """Kills the process that draws the third part, unless that is the one that asked."""

    def draw(self, part):
        if part.start == 256 and multiprocessing.parent_process() is not None:
            os._exit(9)
        return super().draw(part)


def slowly(drawing, parts):
    """Draw in two processes and then wait for ever, with the processes alive."""
    for answer in draw_in_processes(drawing, parts, 2):
        sys.stdout.write(" ".join(str(child.pid) for child in multiprocessing.active_children()) + "\n")
        sys.stdout.flush()
        time.sleep(600)
        yield answer


if __name__ == "__main__":
    write_views(Path(sys.argv[2]), Path(sys.argv[1]), ViewSpec(size_px=24, tiles=2, tile_px=8), slowly)
