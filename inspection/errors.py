"""Everything that can go wrong, in one tree.

::

    InspectionError
    ├── InputError (ValueError)          what a user handed in cannot be used; exit code 2
    │   ├── InputNotFoundError (FileNotFoundError)
    │   ├── ParamsError                  params.yaml or a setting
    │   └── LabelError                   a label that no taxonomy knows, or a label for no wafer
    ├── FormatError (ValueError)         a file's bytes are not what its format says; goes to quarantine
    │   └── UnknownFormatError           no format recognises the file
    ├── PhysicsError (ValueError)        a wafer that cannot be: points off the wafer, no die; goes to quarantine
    ├── LeakageError (RuntimeError)      a lot or a wafer in two parts of a split
    ├── GateError (RuntimeError)         registration or promotion refused, with the reason
    ├── BundleError (RuntimeError)       a model bundle that is incomplete or was changed after it was written
    └── EngineError (RuntimeError)       DVC, MLflow, Prefect, the ledger or a sink failed
        └── UnreachableError             nobody answered at an address, though it was waited for

A message says what failed, what was expected, what was got, where, and what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path


class InspectionError(Exception):
    """Base of all errors that this project raises on purpose."""


class InputError(InspectionError, ValueError):
    """What a user handed in cannot be used."""


class InputNotFoundError(InputError, FileNotFoundError):
    """A path that does not exist, or holds nothing that can be read."""


class ParamsError(InputError):
    """A parameter or setting outside its domain."""


class LabelError(InputError):
    """A label that no taxonomy knows, or that names no wafer."""


@dataclass(frozen=True)
class Reason:
    """Why a file or a wafer was refused: the content of ``reason.json`` in quarantine.

    ``code`` is a short stable word (``klarf.truncated``); ``where`` a line, record or wafer.
    """

    code: str
    where: str
    expected: str
    got: str
    action: str

    def __str__(self) -> str:
        return f"{self.code}: expected {self.expected}, got {self.got} ({self.where}). {self.action}"

    def to_dict(self) -> dict[str, str]:
        """Plain mapping for JSON."""
        return {k: str(getattr(self, k)) for k in ("code", "where", "expected", "got", "action")}


class _ReasonedError(InspectionError, ValueError):
    def __init__(self, code: str, *, where: str, expected: str, got: Any, action: str) -> None:
        shown = str(got)[:200]
        self.reason = Reason(code, where, expected, shown if shown.strip() else repr(shown), action)  # blanks say nothing
        super().__init__(str(self.reason))

    def found_in(self, file: Path) -> Self:
        """The same refusal with the file before the place in it: for a person who named several files."""
        reason = self.reason
        where = f"{file}, {reason.where}" if reason.where else str(file)
        return type(self)(reason.code, where=where, expected=reason.expected, got=reason.got, action=reason.action)


class FormatError(_ReasonedError):
    """A file's bytes are not what its format says."""


class UnknownFormatError(FormatError):
    """No format recognises the file."""


class PhysicsError(_ReasonedError):
    """A wafer that cannot be."""


class LeakageError(InspectionError, RuntimeError):
    """The same lot or wafer on two sides of a split."""


class GateError(InspectionError, RuntimeError):
    """Registration or promotion refused."""


class BundleError(InspectionError, RuntimeError):
    """A model bundle that is incomplete, of an unknown version, or changed after it was written."""


class EngineError(InspectionError, RuntimeError):
    """An engine that we drive (DVC, MLflow, Prefect, ledger, sink) failed."""


class UnreachableError(EngineError):
    """Nobody answered at an engine's address for as long as its client waits: asking again at once would only wait again."""


def bounded(items: list[str], limit: int = 10) -> str:
    """Join at most ``limit`` items and say how many more there are, so that no message grows with the data."""
    shown = ", ".join(items[:limit])
    return shown if len(items) <= limit else f"{shown}, and {len(items) - limit} more"
