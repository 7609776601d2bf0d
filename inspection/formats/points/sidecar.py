"""The YAML sidecar of a table of points: which column means what, its units and frame, and who the wafers are."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from inspection.errors import FormatError, bounded
from inspection.formats import safe_yaml
from inspection.formats.points.columns import COLUMNS, Unit

if TYPE_CHECKING:
    from pathlib import Path

SIDECARS = (".yaml", ".yml")
FOR_ALL = "points"
"""Stem of the sidecar that serves every table of its folder that has none of its own."""
MAX_SIDECAR_BYTES = 1 << 16

_Lower = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)
_Pitch = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Place = Annotated[float, Field(allow_inf_nan=False)]


class Sidecar(BaseModel):
    """The sidecar's keys; names may be numbers in YAML, unknown keys are noted.

    A fact that the table has a column for comes from the column. ``origin`` is where (0, 0) of the table lies: the wafer's centre or a
    corner of the square around the wafer. ``orientation`` says where the notch is in the table's frame. ``die_origin_um`` is the
    lower left corner of die (0, 0), seen from the table's origin.
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    columns: dict[str, str] = Field(default_factory=dict)
    unit: Annotated[Unit | None, _Lower] = None
    origin: Annotated[Literal["centre", "center", "lower_left", "upper_left"], _Lower] = "centre"
    orientation: Annotated[Literal["down", "left", "up", "right"], _Lower] = "down"
    y_axis: Annotated[Literal["up", "down"], _Lower] = "up"
    diameter_mm: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    die_pitch_um: tuple[_Pitch, _Pitch] | None = None
    die_origin_um: tuple[_Place, _Place] | None = None
    lot: str = ""
    wafer: str | None = None
    slot: int | None = None
    product: str | None = None
    layer: str | None = None
    tool: str | None = None
    chamber: str | None = None
    recipe: str | None = None
    inspected_at: datetime | None = None

    @property
    def time(self) -> datetime | None:
        """``inspected_at`` in UTC; without a zone it is taken as UTC."""
        at = self.inspected_at
        return at if at is None else at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is odd about the sidecar itself."""
        unknown = sorted(map(str, self.model_extra or {}))
        return (f"sidecar: unknown keys {bounded(unknown)}",) if unknown else ()


def sidecar_path(table: Path) -> Path | None:
    """The sidecar of ``table``: ``NAME.csv.yaml``, ``NAME.yaml``, or ``points.yaml`` of its folder; None = there is none."""
    shared = [table.with_name(FOR_ALL + end) for end in SIDECARS]
    return own_sidecar(table) or next((c for c in shared if c.is_file() and c != table), None)


def own_sidecar(table: Path) -> Path | None:
    """``NAME.csv.yaml`` or ``NAME.yaml`` beside ``table``; None = there is none."""
    own = [table.with_name(table.name + end) for end in SIDECARS] + [table.with_suffix(end) for end in SIDECARS]
    return next((c for c in own if c.is_file() and c != table), None)


def read_sidecar(table: Path) -> Sidecar:
    """The sidecar of ``table``; an empty one where there is none.

    Raises
    ------
    FormatError
        ``points.sidecar``: too long, not YAML, not a mapping, a value outside its domain, or a column of no known meaning.
    """
    path = sidecar_path(table)
    if path is None:
        return Sidecar()
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise _refused(path, f"at most {MAX_SIDECAR_BYTES} bytes", path.stat().st_size)
        content = safe_yaml.load(path.read_text(encoding="utf-8-sig"))
        if not isinstance(content, dict):
            raise _refused(path, "a YAML mapping", type(content).__name__)
        parsed = Sidecar.model_validate({str(k): v for k, v in content.items()})
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise _refused(path, "YAML in UTF-8", error) from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise _refused(path, "values in their domain", bounded(faults)) from error
    if unknown := sorted(set(parsed.columns) - set(COLUMNS)):
        raise _refused(path, f"columns named {', '.join(COLUMNS)}", bounded(unknown))
    return parsed


def _refused(path: Path, expected: str, got: object) -> FormatError:
    return FormatError("points.sidecar", where=path.name, expected=expected, got=got, action="Correct the sidecar and send it again.")
