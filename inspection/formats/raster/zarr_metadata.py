"""The metadata of zarr v2 and v3 arrays, and the way from a group, such as an OME-Zarr picture, to the one array that is meant.

Sources: the zarr specifications v2 and v3 (core, sharding-indexed codec), OME-Zarr 0.4 and 0.5.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from inspection.errors import FormatError, bounded
from inspection.formats.raster.levels import full_size
from inspection.formats.raster.stream import damaged
from inspection.formats.raster.zarr_array import ArrayV2, ArrayV3
from inspection.formats.raster.zarr_axes import axes_of

if TYPE_CHECKING:
    from pathlib import Path

    from inspection.formats.raster.zarr_array import Array
    from inspection.formats.raster.zarr_axes import Axes
    from inspection.formats.raster.zarr_store import Store

MAX_JSON = 4 * 2**20
MAX_DEPTH = 6
"""Groups within groups on the way to the array: those of a plate are row, column, field and level."""
OME = "OME"
"""A group of metadata that bioformats2raw puts beside the pictures."""


@dataclass(frozen=True, slots=True)
class Node:
    """An array (``array``) or a group (None), its place in the store and its attributes."""

    prefix: str
    array: Array | None
    attributes: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """An array, its place in the store, and which of its axes are the picture's."""

    prefix: str
    array: Array
    axes: Axes


def find_array(store: Store, path: Path) -> Found:
    """The one array of a store.

    The store's own array; or of a group: level 0 of its multiscale picture; or its only member; or the one array of which all
    others are smaller versions; and so on.

    Raises
    ------
    FormatError
        ``raster.header``; ``raster.pages``: several pictures or arrays; ``raster.link``: a path that leads out of the store;
        ``raster.axes``, ``raster.channels``: see `axes_of`.
    """
    node, picture = _node(store, "", path), None
    for _ in range(MAX_DEPTH):
        if node is None:
            raise refused(path, "a zarr array or group", "none")
        if (array := node.array) is not None:
            return Found(node.prefix, array, axes_of(array.shape, picture, _own_names(node), path))
        inside, picture = _next(store, node, path)
        node = _node(store, node.prefix + inside, path)
    raise refused(path, f"an array within {MAX_DEPTH} groups", "deeper")


def _own_names(node: Node) -> Any:
    """What an array calls its axes."""
    of_array = None if node.array is None else node.array.dimension_names
    of_xarray = node.attributes.get("_ARRAY_DIMENSIONS")
    return of_array or (of_xarray if isinstance(of_xarray, list) else None)


def _next(store: Store, group: Node, path: Path) -> tuple[str, Any]:
    """Where to go on from a group, and the entry of its ``multiscales`` that says so."""
    ome = group.attributes.get("ome")
    pictures = (ome if isinstance(ome, dict) else group.attributes).get("multiscales")
    if pictures:
        try:
            if len({str(_finest(picture)) for picture in pictures}) > 1:  # sums and maxima of one picture share it
                raise _several(path, [f"multiscale picture {i}" for i in range(len(pictures))])
            return _inside(_finest(pictures[0]), path), pictures[0]
        except (LookupError, TypeError) as error:
            raise refused(path, "multiscales with the path of level 0", error) from error
    children = [name for name in store.children(group.prefix.rstrip("/")) if name != OME]
    members = {name: node for name in children if (node := _node(store, f"{group.prefix}{name}/", path)) is not None}
    shapes = [_sides(node.array.shape) for node in members.values() if node.array is not None]
    if len(members) == 1:
        return f"{next(iter(members))}/", None
    whole = full_size(shapes) if members and len(shapes) == len(members) else None
    if whole is None:
        raise _several(path, list(members))
    return f"{list(members)[whole]}/", None


def _finest(picture: Any) -> object:
    """The path of level 0 of a multiscale picture, as its metadata has it."""
    return picture["datasets"][0]["path"]


def _sides(shape: tuple[int, ...]) -> tuple[int, int]:
    """Of the picture, its axes of length 1 left out."""
    long = [side for side in shape if side > 1]
    return (long[0], long[1]) if len(long) == 2 else (shape[-2], shape[-1])


def _inside(place: object, path: Path) -> str:
    """A path in the metadata as a prefix of keys; only downwards."""
    parts = str(place).strip("/").split("/")
    if (
        not isinstance(place, str)
        or place.startswith("/")
        or any(part in {"", ".", ".."} or "\\" in part or "\0" in part for part in parts)
    ):
        raise FormatError(
            "raster.link",
            where=path.name,
            expected="the path of level 0 inside the store",
            got=repr(place),
            action="Write the store again; its metadata must not name places outside of it.",
        )
    return "/".join(parts) + "/"


def _node(store: Store, prefix: str, path: Path) -> Node | None:
    """What lies at ``prefix``; None = nothing. Version 3 counts where a folder has the metadata of both."""
    try:
        if (content := _json(store, prefix + "zarr.json", path)) is not None:
            if content.get("node_type") == "group":
                return Node(prefix, None, _mapping(content.get("attributes")))
            return Node(prefix, ArrayV3.model_validate(content), _mapping(content.get("attributes")))
        attributes = _json(store, prefix + ".zattrs", path) or {}
        if (content := _json(store, prefix + ".zarray", path)) is not None:
            return Node(prefix, ArrayV2.model_validate(content), attributes)
        return None if _json(store, prefix + ".zgroup", path) is None else Node(prefix, None, attributes)
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:20]]
        raise refused(path, "metadata of an array of numbers in regular chunks", bounded(faults)) from error


def _json(store: Store, key: str, path: Path) -> dict[str, Any] | None:
    size = store.size(key)
    if size is None:
        return None
    if size > MAX_JSON:
        raise refused(path, f"at most {MAX_JSON} bytes in {key}", size)
    try:
        content = json.loads(store.read(key, 0, size))
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"JSON in {key}", error) from error
    if not isinstance(content, dict):
        raise damaged(path, f"a JSON object in {key}", type(content).__name__)
    return content


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def refused(path: Path, expected: str, got: object) -> FormatError:
    """Metadata of something that is not read."""
    return FormatError(
        "raster.header",
        where=path.name,
        expected=expected,
        got=got,
        action="Write one array of two dimensions, uncompressed or with blosc, zstd, gzip, zlib, lz4 or bz2.",
    )


def _several(path: Path, names: list[str]) -> FormatError:
    return FormatError(
        "raster.pages",
        where=path.name,
        expected="one array, or one multiscale picture",
        got=bounded(names) or "none",
        action="Hand in the folder of the array that is meant, one wafer per store.",
    )
