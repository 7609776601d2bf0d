"""Prefect's API as a child process: ``python -m flows.server PORT``; ends when its standard input does, that is, with its parent."""

from __future__ import annotations

import os
import sys
import threading


def _end_with_parent() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(0)  # SQLite keeps its promises without a goodbye, and a goodbye can hang


def main(port: int) -> None:
    """Serve on the loopback interface until the parent is gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn  # noqa: PLC0415  (after the watch has begun)

    uvicorn.run("prefect.server.api.server:create_app", factory=True, host="127.0.0.1", port=port, log_level="error", lifespan="on")


if __name__ == "__main__":
    main(int(sys.argv[1]))
