"""A store with scored wafers, a clock that a test turns, and real receivers on loopback."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from inspection.settings import Workspace
from inspection.store.database import Store
from inspection.store.tables import files, predictions, wafers

T0 = datetime(2026, 1, 2, 3, 4, 5)  # noqa: DTZ001 - the store's times are UTC and naive


@dataclass
class Clock:
    """Time that only moves when told."""

    now: datetime = T0

    def __call__(self) -> datetime:
        return self.now

    def pass_s(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class Fab:
    """Writes files, wafers and predictions as ingestion and the worker do."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def score(self, decisions, *, lot="L1", layer="M1", source="f.001", model="m1", first=0, names=None, **columns):
        """One file whose wafers are called ``decisions``, in order; ``names`` defaults to W00, W01, ..."""
        sha = hashlib.sha256(f"{source}/{lot}/{layer}".encode()).hexdigest()
        with self.store.write() as c:
            known = c.execute(files.select().where(files.c.sha256 == sha)).one_or_none()
            if known is None:
                c.execute(
                    files.insert().values(sha256=sha, name=source, bytes=1, format="klarf1", state="ingested", landed_at=T0, changed_at=T0)
                )
            have = {i for (i,) in c.execute(wafers.select().with_only_columns(wafers.c.index).where(wafers.c.file_sha256 == sha))}
            names = [f"W{first + n:02}" if lot else "" for n in range(len(decisions))] if names is None else names
            rows = [
                {
                    "file_sha256": sha, "index": first + n, "source": source, "row": -1, "lot": lot, "wafer": names[n],
                    "layer": layer, "product": "P1", "tool": "T1", "chamber": "A", "kind": "points",
                    "diameter_mm": 300.0, "defects": 9, "state": "valid", "notes": [], "ingested_at": T0, **columns,
                }
                for n in range(len(decisions)) if first + n not in have
            ]  # fmt: skip
            if rows:
                c.execute(wafers.insert(), rows)
            c.execute(predictions.insert(), [
                {
                    "file_sha256": sha, "index": first + n, "model_sha256": model, "config_sha256": "c",
                    "label": "Grid" if d in ("Unknown", "Review") else d, "decision": d, "probability": 0.9,
                    "probabilities": {} if d in ("Unknown", "Review") else {d: 0.9}, "scored_at": T0,
                }
                for n, d in enumerate(decisions)
            ])  # fmt: skip
        return sha


@dataclass
class Received:
    """What a receiver got, and what it answers next (then 200 for ever)."""

    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    url: str = ""

    def json(self, n: int = -1):
        return json.loads(self.posts[n][2])


@pytest.fixture
def receiver():
    """A real HTTP server on a free loopback port."""
    received = Received()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = received.answers.pop(0) if received.answers else 200
            if status == 200:
                received.posts.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    received.url = f"http://127.0.0.1:{server.server_port}"
    yield received
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "ws")


@pytest.fixture
def store(tmp_path):
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


@pytest.fixture
def fab(store):
    return Fab(store)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rng():
    return np.random.default_rng(0)
