"""Fixtures for all rooms."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A shell's background job starts with Ctrl-C ignored, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data: ``INSPECTION_DATA``, else ``../shared/data`` of the checkout; skips where there is none."""
    named = os.environ.get("INSPECTION_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data at {folder}: set INSPECTION_DATA to a folder that holds klarf/ and wm811k/")
    return folder


START_LIMIT_S = 60


def _binary(name: str) -> str | None:
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(debian[-1]) if debian else shutil.which(name)


@pytest.fixture(scope="session")
def postgres():
    """SQLAlchemy URL (up to the database's name) of a private Postgres on a free port of 127.0.0.1, where Debian's is installed."""
    psycopg = pytest.importorskip("psycopg", reason="needs the driver psycopg")
    initdb, server = _binary("initdb"), _binary("postgres")
    if initdb is None or server is None:
        pytest.skip("needs Debian's package postgresql")
    user = None
    folder = Path(tempfile.mkdtemp(prefix="inspection-postgres-"))  # pytest's own folders are closed to other users
    try:
        if os.geteuid() == 0:  # Postgres refuses to run as root
            try:
                user = pwd.getpwnam("postgres").pw_name
            except KeyError:
                pytest.skip("running as root, and there is no user postgres")
            shutil.chown(folder, user)
        data = folder / "data"
        subprocess.run(
            [initdb, "-D", str(data), "-U", "inspection", "-A", "trust", "--no-sync"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off"]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([server, "-D", str(data), "-p", str(port), *options], stdout=log, stderr=log, user=user, cwd=folder)
        try:
            _await(psycopg, port)
            yield f"postgresql+psycopg://inspection@127.0.0.1:{port}/"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(30)
    finally:
        shutil.rmtree(folder)


def _await(psycopg, port: int) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            psycopg.connect(host="127.0.0.1", port=port, user="inspection", dbname="postgres").close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


_numbers = itertools.count()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def each_store(request, tmp_path):
    """An empty store of each kind."""
    from inspection.store.database import Store

    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    else:
        import psycopg

        base, name = request.getfixturevalue("postgres"), f"t{next(_numbers)}"
        with psycopg.connect(base.replace("+psycopg", "") + "postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        url = base + name
    with Store(url) as opened:
        yield opened
