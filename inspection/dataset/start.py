"""The weights that training starts from, frozen beside the snapshot: ``start.json`` names them by sha256, a copy lies in ``start/``.

An alias of the registry moves and a file is written again; what a training started from must not. So the reference of ``transfer.start`` is
resolved when the snapshot is taken, and DVC sees a change when the bytes have changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING

from inspection.aside import aside, write_text
from inspection.errors import InputError, InputNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

START, FOLDER = "start.json", "start"


def freeze_start(snapshot: Path, reference: str | None, source: Path | None) -> bool:
    """Copy ``source``, which ``reference`` stands for, into the folder ``snapshot``; None for both = no start. Whether anything changed."""
    content: dict[str, str | None] = {"reference": reference, "sha256": None, "file": None}
    if source is not None:
        data = source.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        ending = ".weights.h5" if source.name.endswith(".weights.h5") else source.suffix
        content |= {"sha256": digest, "file": f"{FOLDER}/{digest[:16]}{ending}"}
        kept = snapshot / str(content["file"])
        if not kept.is_file() or kept.read_bytes() != data:
            kept.parent.mkdir(parents=True, exist_ok=True)
            with aside(kept) as temporary:
                temporary.write_bytes(data)
        for old in set(kept.parent.iterdir()) - {kept}:
            old.unlink()
    else:
        shutil.rmtree(snapshot / FOLDER, ignore_errors=True)
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    path = snapshot / START
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return False
    write_text(path, text)
    return True


def start_lineage(snapshot: Path) -> dict[str, str]:
    """``started_from`` and ``start_sha256`` for a model's lineage; empty where training starts from nothing."""
    path = snapshot / START
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if content.get("reference") is None:
        return {}
    return {"started_from": content["reference"], "start_sha256": content["sha256"]}


def frozen_start(snapshot: Path, reference: str | None) -> Path | None:
    """The file that ``reference`` stood for when the snapshot was taken; None where none is asked for.

    Raises
    ------
    InputNotFoundError
        None was frozen, or the copy is gone.
    InputError
        Another reference was frozen, or the copy has other bytes.
    """
    if reference is None:
        return None
    path = snapshot / START
    content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {"reference": None}
    if content["reference"] != reference:
        raise InputError(
            f"Cannot start from {reference}: expected it frozen in {path}, got {content['reference'] or 'nothing'} there. "
            "Run `inspection snapshot` again."
        )
    kept = snapshot / str(content["file"])
    if not kept.is_file():
        raise InputNotFoundError(f"The weights to start from are gone: expected {kept}. Run `inspection snapshot` again.")
    if hashlib.sha256(kept.read_bytes()).hexdigest() != content["sha256"]:
        raise InputError(
            f"The weights to start from changed: expected sha256 {content['sha256']}, got another ({kept}). "
            "Run `inspection snapshot` again."
        )
    return kept
