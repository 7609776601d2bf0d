"""A file's size held against the limit, before anything of it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.params import Ingest


def check_size(path: Path, limits: Ingest) -> None:
    """Refuse a file of more than ``limits.max_file_mb``.

    Raises
    ------
    FormatError
        ``file.size``.
    """
    size = path.stat().st_size
    if size > limits.max_file_bytes:
        raise FormatError(
            "file.size",
            where=path.name,
            expected=f"at most {limits.max_file_mb} MiB",
            got=f"{size / 2**20:.1f} MiB",
            action="Raise ingest.max_file_mb in params.yaml if the file is meant to be that large.",
        )
