"""The table of formats: which reader a file belongs to, by its content and never by its name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from inspection.errors import FormatError, InputNotFoundError, UnknownFormatError
from inspection.formats import compressed
from inspection.formats.diemap import archive, mixedwm38, npz_arrays, sinf, stdf, wm811k_pickle
from inspection.formats.encoding import wide_text
from inspection.formats.identity import check_wafer
from inspection.formats.klarf import klarf1, klarf18

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
    from inspection.formats.raster import reader  # noqa: PLC0415 - only a file that nothing else wants pays for it

    return reader.recognises(head, path)


def _read_raster(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats.raster import reader  # noqa: PLC0415 - as above

    return reader.read(path, limits)


def _is_image(head: bytes, path: Path) -> bool:
    from inspection.formats.raster import kinds  # noqa: PLC0415 - as above

    if not kinds.recognises(head, path):
        return False
    from inspection.formats.image import reader  # noqa: PLC0415 - as above

    return reader.recognises(head, path)


def _read_image(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats.image import reader  # noqa: PLC0415 - as above

    return reader.read(path, limits)


def _is_semi(name: str, head: bytes, path: Path) -> bool:
    if b"<" not in head[:256]:
        return False  # no XML: its reader is not needed
    from inspection.formats.diemap import semi_e142, semi_g85  # noqa: PLC0415 - bring expat and defusedxml

    return {"g85": semi_g85, "e142": semi_e142}[name].recognises(head, path)


def _read_semi(name: str, path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats.diemap import semi_e142, semi_g85  # noqa: PLC0415 - as above

    return {"g85": semi_g85, "e142": semi_e142}[name].read(path, limits)


def _is_points(head: bytes, path: Path) -> bool:
    from inspection.formats.points import table as points_table  # noqa: PLC0415 - as above

    return points_table.recognises(head, path)


def _read_points(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    from inspection.formats.points import table as points_table  # noqa: PLC0415 - as above

    return points_table.read(path, limits)


FORMATS = (
    Format("klarf1", "KLARF 1.0, 1.1, 1.2", klarf1.recognises, klarf1.read),
    Format("klarf18", "KLARF 1.8", klarf18.recognises, klarf18.read),
    Format(
        "diemap_archive",
        "die-map archive (.npz with pixels, offsets, shapes)",
        archive.recognises,
        archive.read,
    ),
    Format("mixedwm38", "MixedWM38 (.npz with arr_0, arr_1)", mixedwm38.recognises, mixedwm38.read),
    Format("wm811k_pickle", "WM-811K (LSWMD.pkl)", wm811k_pickle.recognises, wm811k_pickle.read),
    Format("sinf", "SINF die map", sinf.recognises, sinf.read),
    Format("semi_g85", "SEMI G85 XML die map", partial(_is_semi, "g85"), partial(_read_semi, "g85")),
    Format("semi_e142", "SEMI E142 XML substrate map", partial(_is_semi, "e142"), partial(_read_semi, "e142")),
    Format("stdf", "STDF V4", stdf.recognises, stdf.read),
    Format(
        "image",
        "inspection image (any raster) with `kind: image` in its YAML sidecar, or images.yaml in its folder",
        _is_image,
        _read_image,
    ),
    Format("raster", "raster (.npy, TIFF, PNG, JPEG, BMP, zarr, raw) with a YAML sidecar", _is_raster, _read_raster),
    # The last: its marks are the weakest, a header of text.
    Format("points", "points (.csv, .parquet)", _is_points, _read_points),
)
_TEXT = frozenset(("klarf1", "klarf18", "sinf", "semi_g85", "semi_e142"))
_TEXT_TIMES = 50
"""No text of numbers becomes so many times smaller (5 to 15 are usual): one that did is a bomb. A sparse raster may."""
_STORE = FORMATS[-2]
"""The one format that may be a folder: a zarr store."""


def recognise(path: Path) -> Format:
    """The format of a file, or of the folder of a zarr store, by its content.

    A compressed file has the name of what is inside; its reader unpacks it.

    Raises
    ------
    InputNotFoundError
        No such file.
    UnknownFormatError
        ``format.empty``: no bytes; ``format.unknown``: no format recognises it, with a hint where it is UTF-16 text.
    FormatError
        ``compressed.damaged``; ``compressed.nested``: compressed twice.
    """
    if path.is_dir() and _STORE.recognises(b"", path):
        return _STORE
    if not path.is_file():
        raise InputNotFoundError(f"Cannot read {path}: expected a file, found none. Check the path.")
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    return _inside(path) if compressed.recognises(head) else _by_content(head, path)


def _by_content(head: bytes, path: Path) -> Format:
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
    if (wide := wide_text(head)) is not None:
        raise UnknownFormatError(
            "format.unknown",
            where=path.name,
            expected="text in UTF-8 or ASCII",
            got=f"{wide[0]} text that begins `{wide[1]}`",
            action=f"Save it as UTF-8 or ASCII: in the tool's export, in an editor, or by `iconv -f {wide[0]} -t UTF-8 OLD > NEW`.",
        )
    raise UnknownFormatError(
        "format.unknown",
        where=path.name,
        expected="; ".join(f.title for f in FORMATS),
        got=f"a file that begins with {head[:24]!r}",
        action="Export it in one of these formats, by itself or in gzip or zstd.",
    )


def _inside(path: Path) -> Format:
    """The format of what a compressed file holds, by its first bytes; only an archive, whose list is at its end, is unpacked."""
    head = compressed.inner_head(path, HEAD_BYTES)
    if compressed.recognises(head):
        raise FormatError(
            "compressed.nested",
            where=path.name,
            expected="a file compressed once",
            got="a compressed file in a compressed file",
            action="Unpack it once and hand it in again.",
        )
    with compressed.whole(path) if head.startswith(npz_arrays.ZIP) else compressed.beginning(path, head) as inner:
        found = _by_content(head, inner)
    return Format(found.name, f"{found.title}, compressed", found.recognises, partial(_read_inside, found))


def _read_inside(found: Format, path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    with compressed.unpacked(path, limits, most_times=_TEXT_TIMES if found.name in _TEXT else None) as inner:
        yield from found.read(inner, limits)


def read(path: Path, limits: Ingest) -> Iterator[SourceWafer]:
    """Wafers of a file of any known format, in its order.

    The formats check the whole file before the first wafer is given out, so an error means that none was.

    Raises
    ------
    InputNotFoundError, UnknownFormatError
        As `recognise`.
    FormatError
        The content is not what its format says, or is beyond ``limits``; ``file.identity``: a name longer than any is.
    """
    found = recognise(path)
    try:
        yield from (check_wafer(wafer, f"{path.name}, wafer {wafer.index}") for wafer in found.read(path, limits))
    except MemoryError as error:
        raise FormatError(
            "file.memory",
            where=path.name,
            expected="a file that fits in memory",
            got=f"{path.stat().st_size / 1e6:.0f} MB",
            action="Lower ingest.max_file_mb, or read it on a larger machine.",
        ) from error
