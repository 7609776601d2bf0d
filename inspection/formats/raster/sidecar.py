"""The YAML sidecar of a raster: who the wafer is, where its centre lies, and which pixels are defects."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field, PositiveInt

from inspection.errors import FormatError
from inspection.formats.raster.scale import is_of_wafer, is_square, scale_of
from inspection.formats.sidecar import SIDECARS, Diameter, Index, OfWafer, Place, Size, parse, refused
from inspection.wafer.maps import WaferInfo

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from inspection.formats.raster.scale import PixelSize

NO_SIDECAR = "no sidecar: the wafer's centre is taken to be the image centre, any non-zero pixel a defect"
CODE = "raster.sidecar"
MAX_SIDECAR_BYTES = 4 * 2**20
INSIDE = "sidecar"
"""Name, without its ending, of a sidecar that lies in the folder of its zarr store instead of beside it: so stores are archived."""


class _Content(OfWafer):
    """The sidecar's keys."""

    diameter_mm: Diameter | None = None
    pixel_um: Size | None = None
    centre_px: tuple[Place, Place] | None = None
    threshold: float | None = None
    polarity: Literal["bright", "dark"] = "bright"
    die_pitch_um: tuple[Size, Size] | None = None
    die_origin_um: tuple[Place, Place] | None = None
    dies: list[tuple[Index, Index, Index]] | None = None
    # Of a file without a header (``raw``).
    shape: tuple[PositiveInt, PositiveInt] | None = None
    dtype: str | None = Field(default=None, pattern=r"^([<>=|]?([iu][1248]|f[248]|b1)|bool|u?int(8|16|32|64)|float(16|32|64))$")
    offset_bytes: int = Field(default=0, ge=0)
    order: Literal["C", "F"] = "C"


@dataclass(frozen=True, slots=True)
class Layout:
    """What the bytes of a file without a header are: ``shape`` is (rows, columns), ``order`` C or F as in NumPy."""

    shape: tuple[int, int]
    dtype: np.dtype
    offset_bytes: int
    order: str


@dataclass(frozen=True, slots=True, eq=False)
class Sidecar:
    """What a raster's sidecar says, or what is taken where it says nothing.

    ``pixel_known``: the sidecar or the raster itself gives ``pixel_um``; else the wafer is taken to fill the raster. ``centre_px`` is
    (row, col). ``threshold`` None: any non-zero pixel is a defect.
    """

    info: WaferInfo
    pixel_um: float
    pixel_known: bool
    centre_px: tuple[float, float]
    threshold: float | None
    dark: bool
    pitch_um: tuple[float, float] | None
    origin_um: tuple[float, float] | None
    dies: NDArray[np.int32] | None
    notes: tuple[str, ...]

    def is_defect(self, pixels: NDArray) -> NDArray[np.bool_]:
        """Which pixels are defects; same shape. A pixel that is not a number is none."""
        if self.threshold is None:
            return (pixels != 0) & ~np.isnan(pixels) if pixels.dtype.kind == "f" else pixels != 0
        # A whole threshold keeps the comparison in the pixels' own type: six times faster on bytes than as floats.
        limit: float = self.threshold
        if pixels.dtype.kind != "f":
            limit = math.floor(limit) if self.dark else math.ceil(limit)
        return pixels <= limit if self.dark else pixels >= limit


def sidecar_path(raster: Path) -> Path | None:
    """The sidecar of ``raster``: ``NAME.npy.yaml`` or ``NAME.yaml`` (or ``.yml``) beside it; None = there is none.

    Of a folder: ``sidecar.yaml`` in it, else beside it.
    """
    candidates = [raster / (INSIDE + end) for end in SIDECARS] if raster.is_dir() else []
    candidates += [raster.with_name(raster.name + end) for end in SIDECARS] + [raster.with_suffix(end) for end in SIDECARS]
    return next((c for c in candidates if c.is_file()), None)


def describes_bytes(raster: Path) -> bool:
    """Whether a sidecar of ``raster`` seems to give a shape and a dtype; cheap, never raises, parses nothing."""
    try:
        path = sidecar_path(raster)
        if path is None or path.stat().st_size > MAX_SIDECAR_BYTES:
            return False
        content = path.read_bytes()
    except OSError:
        return False
    return all(re.search(rb"\b%s[\"']?\s*:" % key, content) for key in (b"shape", b"dtype"))


def read_layout(raster: Path) -> Layout:
    """What the sidecar says of the bytes of a raster without a header.

    Raises
    ------
    FormatError
        ``raster.sidecar``: no sidecar, no shape or dtype in it, or a value outside its domain.
    """
    path = sidecar_path(raster)
    content = _Content() if path is None else _parse(path)
    if content.shape is None or content.dtype is None:
        raise refused(path or raster, CODE, "shape: [rows, columns] and dtype in the sidecar", "none")
    return Layout(content.shape, _stored(content.dtype), content.offset_bytes, content.order)


def _stored(dtype: str) -> np.dtype:
    # What a machine calls its own byte order may differ on the next one.
    return np.dtype(dtype).newbyteorder(">" if dtype.startswith(">") else "<")


def read_sidecar(raster: Path, shape: tuple[int, int], pixel_um: PixelSize | None = None) -> Sidecar:
    """Read the sidecar of ``raster``, whose array has ``shape``. A time without a zone is taken as UTC.

    ``pixel_um`` is what the raster itself says of its pixels (`RasterStream`): it counts where the sidecar says nothing and the raster is
    then as large as a wafer.

    Raises
    ------
    FormatError
        ``raster.sidecar``: not YAML, not a mapping, or a value outside its domain; ``raster.pixel``: no square pixels.
    """
    path = sidecar_path(raster)
    content = _Content() if path is None else _parse(path)
    if pixel_um and content.pixel_um is None and is_of_wafer(pixel_um, shape) and not is_square(pixel_um):
        raise FormatError(
            "raster.pixel",
            where=raster.name,
            expected="square pixels",
            got=f"{pixel_um[0]:.6g} um high, {pixel_um[1]:.6g} um wide",
            action="Write the raster with square pixels; or, where the file is wrong, give pixel_um in the sidecar.",
        )
    scale = scale_of(shape, pixel_um, content.pixel_um, content.diameter_mm)
    facts = {name: getattr(content, name) for name in OfWafer.model_fields}
    return Sidecar(
        info=WaferInfo(**facts | {"wafer": content.wafer or "", "diameter_mm": scale.diameter_mm}),
        pixel_um=scale.pixel_um,
        pixel_known=scale.known,
        centre_px=(shape[0] / 2, shape[1] / 2) if content.centre_px is None else content.centre_px,
        threshold=content.threshold,
        dark=content.polarity == "dark",
        pitch_um=content.die_pitch_um,
        origin_um=content.die_origin_um,
        dies=None if content.dies is None else _unrolled(content.dies, path or raster),
        notes=(*content.notes, *([] if path else [NO_SIDECAR]), *scale.notes),
    )


def _parse(path: Path) -> _Content:
    parsed = parse(_Content, path, CODE, MAX_SIDECAR_BYTES)
    if parsed.polarity == "dark" and parsed.threshold is None:
        raise refused(path, CODE, "a threshold with polarity dark", "none")
    return parsed


def _unrolled(runs: list[tuple[int, int, int]], path: Path, limit: int = 10_000_000) -> NDArray[np.int32]:
    if any(last < first for _, first, last in runs) or sum(last - first + 1 for _, first, last in runs) > limit:
        raise refused(path, CODE, f"runs of dies [y, first x, last x] with first <= last, at most {limit} dies", "others")
    pieces = [np.column_stack((np.arange(a, b + 1), np.full(b - a + 1, y))) for y, a, b in runs]
    return np.concatenate(pieces).astype(np.int32) if pieces else np.empty((0, 2), np.int32)
