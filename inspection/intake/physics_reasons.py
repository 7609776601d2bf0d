"""How a physical check refuses: the code, who the wafer is, what was expected and got, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inspection.errors import PhysicsError

if TYPE_CHECKING:
    from inspection.wafer.maps import WaferInfo

INSPECT = "Check the unit and the frame that the tool writes; the file stays in quarantine, byte for byte."
MEND = "Correct the tool's export or the column mapping, let the file land again; this one stays in quarantine, byte for byte."


def refused(code: str, info: WaferInfo, expected: str, got: Any, action: str = INSPECT) -> PhysicsError:
    """The refusal of one wafer; ``where`` is its lot and name."""
    return PhysicsError(code, where=f"lot {info.lot or '?'}, wafer {info.wafer or '?'}", expected=expected, got=got, action=action)
