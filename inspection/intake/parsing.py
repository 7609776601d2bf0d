"""Reading one claimed file: its canonical shard, the store's rows of its wafers, or the reason why not.

A function of the file's bytes and the parameters, and of nothing else: it asks no store, so that any process on any
machine that sees the workspace may run it, and running it twice leaves the same shard.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from inspection.aside import sweep
from inspection.errors import FormatError, InputError, InspectionError, PhysicsError, Reason
from inspection.formats.canonical import CanonicalWafer, write_shard
from inspection.intake.physics import check
from inspection.store.database import as_stored
from inspection.store.wafers import QUARANTINED, VALID
from inspection.system import refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from inspection.intake.landing import Claim
    from inspection.params import Ingest, Params
    from inspection.wafer.maps import SourceWafer

    Read = Callable[[Path, Ingest], Iterator[SourceWafer]]

PARSER_FAULTS = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What a reader's libraries raise on bytes that nobody foresaw. One such file must not stop all others for good."""

_COUNT_EVERY = 500


class Named(Protocol):
    """A recognised format."""

    @property
    def name(self) -> str:
        """Short name, for example ``klarf1``."""


@dataclass(frozen=True)
class Parsed:
    """What one file came to.

    Attributes
    ----------
    rows : list of dict
        The store's row of every wafer that was read, valid or not.
    valid : int
        Wafers in the shard.
    reason : Reason or None
        Why the file was refused whole: then there is no shard.
    fault : str or None
        What the machine refused (a full disk, an unreadable archive), as one line; not the file's fault: nothing is decided.
    format : str or None
        Name of the format.
    written_at : datetime or None
        When the tool wrote the file, by its own word; UTC naive.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    valid: int = 0
    reason: Reason | None = None
    fault: str | None = None
    format: str | None = None
    written_at: datetime | None = None


@dataclass(frozen=True)
class Parser:
    """Everything but the file; travels to other processes when ``read`` and ``recognise`` do.

    Parameters
    ----------
    canonical : Path
        Folder of the shards.
    params : Params
    read : callable (path, limits) -> iterator of SourceWafer
        The formats' reader.
    recognise : callable (path) -> object with a ``name``, optional
        Names the format.
    """

    canonical: Path
    params: Params
    read: Read
    recognise: Callable[[Path], Named] | None = None

    def parse(self, claim: Claim, counted: Callable[[int], None] = lambda _: None) -> Parsed:
        """Read ``claim`` and write its shard, aside first; ``counted`` is told the wafers so far, every few hundred."""
        reading = _Reading(claim, self.params, self.read, counted)
        shard = self.canonical / f"{claim.sha256}.parquet"
        try:
            sweep(claim.path.parent)
            if not claim.path.exists():
                return Parsed(reason=lost(claim))
            name = None if self.recognise is None else reading.guarded(self.recognise, claim.path).name
            valid = reading.written(write_shard, shard)
        except _RefusedError as refused:
            shard.unlink(missing_ok=True)
            return Parsed(reading.rows, reason=refused.reason)
        except OSError as error:
            return Parsed(fault=refusal(error, shard).told(f"Cannot ingest {claim.name}"))
        return Parsed(reading.rows, valid, format=name, written_at=reading.written_at)


def lost(claim: Claim) -> Reason:
    """The reason of a claimed file whose copy is gone."""
    return Reason(
        "file.lost",
        where=claim.name,
        expected=f"its copy at {claim.path}",
        got="no file",
        action="Let it land again, then release it.",
    )


class _RefusedError(Exception):
    """Carries the reason past the writer of the shard."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class _Reading:
    """One pass over a file: iterating gives its valid wafers; ``rows`` fills with the store's row of every wafer."""

    def __init__(self, claim: Claim, params: Params, read: Read, counted: Callable[[int], None]) -> None:
        self.rows: list[dict[str, Any]] = []
        self._claim, self._params, self._read, self._counted = claim, params, read, counted
        self._first_reason: Reason | None = None
        self._valid = 0
        self.written_at: datetime | None = None

    def guarded(self, call: Callable[..., Any], *args: Any) -> Any:
        """``call(*args)``, with every fault of the file's bytes as the one refusal.

        Raises
        ------
        OSError
            With an ``errno``: the machine's fault, not the file's.
        """
        try:
            return call(*args)
        except (FormatError, PhysicsError) as error:
            raise _RefusedError(error.reason) from error
        except InspectionError:
            raise
        except OSError as error:
            if error.errno is not None:
                raise
            raise _RefusedError(self._parser_fault(error)) from error
        except PARSER_FAULTS as error:
            raise _RefusedError(self._parser_fault(error)) from error

    def written(self, write: Callable[[Path, _Reading], int], shard: Path) -> int:
        """Have ``write`` write the valid wafers; a value that no shard can hold is the file's fault too."""
        try:
            return write(shard, self)
        except InputError as error:
            if isinstance(error, OSError):
                raise
            raise _RefusedError(self._parser_fault(error)) from error

    def __iter__(self) -> Iterator[CanonicalWafer]:
        wafers = self.guarded(lambda: iter(self._read(self._claim.path, self._params.ingest)))
        seen: set[int] = set()
        while (wafer := self.guarded(next, wafers, None)) is not None:
            if wafer.index in seen or len(seen) >= self._params.ingest.max_wafers:
                expected = f"at most {self._params.ingest.max_wafers} wafers, each with its own index"
                raise _RefusedError(self._reason("file.wafers", expected, f"index {wafer.index} after {len(seen)} wafers"))
            seen.add(wafer.index)
            try:
                notes = check(wafer.map, self._params.validate_)
            except PhysicsError as error:
                self._first_reason = self._first_reason or error.reason
                self.rows.append(self._row(wafer, QUARANTINED, wafer.notes, error.reason))
                continue
            self.rows.append(self._row(wafer, VALID, (*wafer.notes, *notes)))
            self._note_time(wafer.map.info.written_at)
            self._valid += 1
            yield CanonicalWafer(file_sha256=self._claim.sha256, source=self._claim.name, wafer=wafer)
            if len(seen) % _COUNT_EVERY == 0:
                self._counted(self._valid)
        self._counted(self._valid)
        if not self._valid:  # before the shard gets its name
            raise _RefusedError(self._first_reason or self._reason("file.no_wafer", "at least one wafer", "none"))

    def _note_time(self, written_at: datetime | None) -> None:
        if written_at is not None:
            self.written_at = max(as_stored(written_at), self.written_at or as_stored(written_at))

    def _row(self, wafer: SourceWafer, state: str, notes: tuple[str, ...], reason: Reason | None = None) -> dict[str, Any]:
        info = wafer.map.info
        return {
            "file_sha256": self._claim.sha256,
            "index": wafer.index,
            "source": self._claim.name,
            "row": wafer.row,
            "lot": info.lot,
            "wafer": info.wafer,
            "slot": info.slot,
            "product": info.product,
            "layer": info.layer,
            "tool": info.tool,
            "chamber": info.chamber,
            "inspected_at": None if info.inspected_at is None else as_stored(info.inspected_at),
            "kind": wafer.map.kind,
            "diameter_mm": info.diameter_mm,
            "defects": wafer.map.defects,
            "label": wafer.label,
            "state": state,
            "reason": None if reason is None else reason.to_dict(),
            "notes": [*notes],
        }

    def _parser_fault(self, error: BaseException) -> Reason:
        return self._reason("file.unreadable", "content that its format allows", f"{type(error).__name__}: {error}")

    def _reason(self, code: str, expected: str, got: str) -> Reason:
        action = "Send the file to whoever keeps the reader; after a mended reader, release it."
        return Reason(code, os.path.basename(self._claim.name), expected, got[:200], action)  # noqa: PTH119 - a stored name, not a path here
