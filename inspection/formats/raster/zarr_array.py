"""Metadata of one zarr array, version 2 and 3: what its pixels are, and in which chunks they lie under which keys."""

from __future__ import annotations

import re
import struct
from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from inspection.formats.raster.zarr_pipeline import Codecs, Named, Part, Sizes, pipeline_v2, pipeline_v3

if TYPE_CHECKING:
    from inspection.formats.raster.zarr_codecs import Pipeline

V3_TYPES = {"bool": "b1"} | {f"{kind}{8 * size}": f"{kind[0]}{size}" for kind in ("int", "uint") for size in (1, 2, 4, 8)}
V3_TYPES |= {f"float{8 * size}": f"f{size}" for size in (2, 4, 8)}
V2_TYPE = r"^([<>|](b1|[iu]1)|[<>]([iu][248]|f[248]))$"


class _Regular(Part):
    chunk_shape: Sizes


class _Grid(Part):
    name: Literal["regular"]
    configuration: _Regular


class Array(Part):
    """What both versions have. ``chunks`` are those that have a key each: shards, where there are shards."""

    shape: Sizes
    fill_value: Any = None
    dimension_names: list[str | None] | None = None

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Of the pixels, in native byte order."""

    @property
    @abstractmethod
    def chunks(self) -> tuple[int, ...]:
        """Sides of what lies under one key."""

    @property
    @abstractmethod
    def pipeline(self) -> Pipeline:
        """From the bytes of a chunk to its pixels."""

    @abstractmethod
    def key(self, place: tuple[int, ...]) -> str:
        """The key of the chunk at ``place`` in the grid."""

    @property
    def fill(self) -> float | bool:
        """The pixel of a chunk that is not stored.

        Raises
        ------
        ValueError
            It is no number of the array's type.
        """
        value = self.fill_value
        if value is None:
            return 0
        if isinstance(value, str):
            return _text_fill(value, self.dtype)
        whole = isinstance(value, float) and value.is_integer() and self.dtype.kind in "iu"  # some writers give 0.0
        try:
            fill = np.array(int(value) if whole else value, self.dtype)
        except (TypeError, OverflowError):
            fill = None
        if not isinstance(value, bool | int | float) or fill is None or (fill != value and self.dtype.kind in "iu"):
            raise ValueError(f"a fill value {value!r:.60} of {self.dtype}")
        return fill.item()

    @model_validator(mode="after")
    def _check(self) -> Array:
        _ = self.fill, self.pipeline  # both raise ValueError
        if len(self.chunks) != len(self.shape):
            raise ValueError("as many sides of a chunk as of the array")
        if self.dimension_names and len(self.dimension_names) != len(self.shape):
            raise ValueError("as many names of dimensions as sides of the array")
        return self


class ArrayV2(Array):
    """``.zarray``."""

    zarr_format: Literal[2]
    sides: Sizes = Field(alias="chunks")
    stored: str = Field(alias="dtype", pattern=V2_TYPE)
    order: Literal["C", "F"]
    compressor: dict[str, Any] | None = None
    filters: Annotated[list[dict[str, Any]], Field(max_length=4)] | None = None
    dimension_separator: Literal[".", "/"] = "."

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return np.dtype(self.stored).newbyteorder("=")

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sides of a chunk."""
        return self.sides

    @property
    def pipeline(self) -> Pipeline:
        """From the bytes of a chunk to its pixels."""
        return pipeline_v2(self.sides, np.dtype(self.stored), self.order, self.filters or [], self.compressor)

    def key(self, place: tuple[int, ...]) -> str:
        """The key of a chunk."""
        return self.dimension_separator.join(map(str, place))


class ArrayV3(Array, Codecs):
    """``zarr.json`` of an array."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    data_type: Literal[tuple(V3_TYPES)]  # type: ignore[valid-type]
    chunk_grid: _Grid
    chunk_key_encoding: Named
    storage_transformers: list[Any] = Field(default_factory=list, max_length=0)

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels."""
        return np.dtype(V3_TYPES[self.data_type])

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sides of a chunk or shard."""
        return self.chunk_grid.configuration.chunk_shape

    @property
    def pipeline(self) -> Pipeline:
        """From the bytes of a chunk to its pixels."""
        return pipeline_v3(self.chunks, self.dtype, self.codecs)

    def key(self, place: tuple[int, ...]) -> str:
        """The key of a chunk."""
        encoding = self.chunk_key_encoding
        separator = encoding.configuration.get("separator", "/" if encoding.name == "default" else ".")
        return separator.join((*(["c"] if encoding.name == "default" else []), *map(str, place)))

    @model_validator(mode="after")
    def _check_keys(self) -> ArrayV3:
        encoding = self.chunk_key_encoding
        if encoding.name not in {"default", "v2"} or encoding.configuration.get("separator", "/") not in {"/", "."}:
            raise ValueError("chunk keys 'default' or 'v2', separated by '/' or '.'")
        return self


def _text_fill(value: str, dtype: np.dtype) -> float:
    words = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
    if dtype.kind != "f" or not (value in words or re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * dtype.itemsize}}}", value)):
        raise ValueError(f"a fill value {value!r:.60} of {dtype}")
    return words[value] if value in words else float(struct.unpack(f">{dtype.char}", bytes.fromhex(value[2:]))[0])
