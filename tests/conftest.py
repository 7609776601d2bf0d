"""Fixtures for all rooms."""

from __future__ import annotations

import os
import signal
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
