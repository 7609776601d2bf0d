"""The table of formats: which reader a file belongs to, by its content and never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from inspection.errors import FormatError, InputNotFoundError, UnknownFormatError
from inspection.formats import diemap_archive, klarf1, klarf18, mixedwm38, wm811k_pickle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from inspection.params import Ingest
    from inspection.wafer.maps import SourceWafer

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Format:
    """One format: ``recognises(first bytes, path)`` is cheap and never raises; ``read(path, limits)`` gives wafers."""

    name: str
    title: str
    recognises: Callable[[bytes, Path], bool]
    read: Callable[[Path, Ingest], Iterator[SourceWafer]]


def _is_raster(head: bytes, path: Path) -> bool:
    from inspection.formats import raster  # noqa: PLC0415 - only a file that nothing else wants pays for it

    return raster.recognises(head, path)


def _read_raster(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats import raster  # noqa: PLC0415 - as above

    return raster.read(path, limits)


def _is_points(head: bytes, path: Path) -> bool:
    from inspection.formats import points_table  # noqa: PLC0415 - as above

    return points_table.recognises(head, path)


def _read_points(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats import points_table  # noqa: PLC0415 - as above

    return points_table.read(path, limits)


FORMATS = (
    Format("klarf1", "KLARF 1.0, 1.1, 1.2", klarf1.recognises, klarf1.read),
    Format("klarf18", "KLARF 1.8", klarf18.recognises, klarf18.read),
    Format(
        "diemap_archive",
        "die-map archive (.npz with pixels, offsets, shapes)",
        diemap_archive.recognises,
        diemap_archive.read,
    ),
    Format("mixedwm38", "MixedWM38 (.npz with arr_0, arr_1)", mixedwm38.recognises, mixedwm38.read),
    Format("wm811k_pickle", "WM-811K (LSWMD.pkl)", wm811k_pickle.recognises, wm811k_pickle.read),
    Format("raster", "raster (.npy) with a YAML sidecar", _is_raster, _read_raster),
    # The last: its marks are the weakest, a header of text.
    Format("points", "points (.csv, .parquet)", _is_points, _read_points),
)


def recognise(path: Path) -> Format:
    """The format of a file, by its content.

    Raises
    ------
    InputNotFoundError
        No such file.
    UnknownFormatError
        ``format.empty``: no bytes; ``format.unknown``: no format recognises it.
    """
    if not path.is_file():
        raise InputNotFoundError(f"Cannot read {path}: expected a file, found none. Check the path.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if not head:
        raise UnknownFormatError(
            "format.empty",
            where=path.name,
            expected="a file with content",
            got="0 bytes",
            action="The tool may still be writing it: hand it in again when it is complete.",
        )
    for known in FORMATS:
        if known.recognises(head, path):
            return known
    raise UnknownFormatError(
        "format.unknown",
        where=path.name,
        expected="; ".join(f.title for f in FORMATS),
        got=f"a file that begins with {head[:24]!r}",
        action="Export it in one of these formats, or unpack it first if it is compressed.",
    )


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a file of any known format, in its order.

    The formats check the whole file before the first wafer is given out, so an error means that none was.

    Raises
    ------
    InputNotFoundError, UnknownFormatError
        As `recognise`.
    FormatError
        The content is not what its format says, or is beyond ``limits``.
    """
    found = recognise(path)
    try:
        yield from found.read(path, limits)
    except MemoryError as error:
        raise FormatError(
            "file.memory",
            where=path.name,
            expected="a file that fits in memory",
            got=f"{path.stat().st_size / 1e6:.0f} MB",
            action="Lower ingest.max_file_mb, or read it on a larger machine.",
        ) from error
