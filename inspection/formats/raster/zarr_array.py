"""Metadata of one zarr array, version 2 and 3: what its pixels are, and in which chunks they lie under which keys."""

from __future__ import annotations

import re
import struct
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt, model_validator

from inspection.formats.raster.zarr_codecs import COMPRESSORS, Pipeline, Sharding

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=8)]
V3_TYPES = {"bool": "b1"} | {f"{kind}{8 * size}": f"{kind[0]}{size}" for kind in ("int", "uint") for size in (1, 2, 4, 8)}
V3_TYPES |= {f"float{8 * size}": f"f{size}" for size in (2, 4, 8)}
V2_TYPE = re.compile(r"[<>|](b1|[iu][1248]|f[248])")


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value  # the short form of version 3.1


class _Named(_Part):
    name: str
    configuration: dict[str, Any] = Field(default_factory=dict)


Codec = Annotated[_Named, BeforeValidator(_named)]


class _Codecs(_Part):
    """A list of codecs of version 3, inside a shard too."""

    codecs: list[Codec] = Field(min_length=1, max_length=8)


class _Shard(_Codecs):
    chunk_shape: Sizes
    index_codecs: list[Codec] = Field(max_length=4)
    index_location: Literal["start", "end"] = "end"


class _Regular(_Part):
    chunk_shape: Sizes


class _Grid(_Part):
    name: Literal["regular"]
    configuration: _Regular


class Array(_Part):
    """What both versions have. ``chunks`` are those that have a key each: shards, where there are shards."""

    shape: Sizes
    fill_value: Any = None

    @property
    def dtype(self) -> np.dtype:
        """Of the pixels, in native byte order."""
        raise NotImplementedError

    @property
    def chunks(self) -> tuple[int, ...]:
        """Sides of what lies under one key."""
        raise NotImplementedError

    @property
    def pipeline(self) -> Pipeline:
        """From the bytes of a chunk to its pixels."""
        raise NotImplementedError

    def key(self, place: tuple[int, ...]) -> str:
        """The key of the chunk at ``place`` in the grid."""
        raise NotImplementedError

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
        if not isinstance(value, (bool, int, float)):
            raise ValueError(f"a fill value {value!r:.60}")  # noqa: TRY004 - what pydantic turns into a refusal
        if self.dtype.kind != "f" and value != value // 1:  # 0.0 is common, NaN and inf are no whole numbers either
            raise ValueError(f"a fill value {value!r:.60} of {self.dtype}")
        try:
            with np.errstate(over="ignore"):
                return np.array(value if self.dtype.kind == "f" else int(value), self.dtype).item()
        except OverflowError as error:
            raise ValueError(f"a fill value {str(value)[:60]} of {self.dtype}") from error

    @model_validator(mode="after")
    def _check(self) -> Array:
        _ = self.fill, self.pipeline  # both raise ValueError
        if len(self.chunks) != len(self.shape):
            raise ValueError("as many sides of a chunk as of the array")
        return self


class ArrayV2(Array):
    """``.zarray``."""

    zarr_format: Literal[2]
    sides: Sizes = Field(alias="chunks")
    stored: str = Field(alias="dtype", pattern=V2_TYPE.pattern)
    order: Literal["C", "F"]
    compressor: dict[str, Any] | None = None
    filters: Annotated[list[Any], Field(max_length=0)] | None = None
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
        codecs = () if self.compressor is None else (_compressor(self.compressor.get("id")),)
        axes = range(len(self.shape))
        return Pipeline(self.sides, np.dtype(self.stored), tuple(axes if self.order == "C" else reversed(axes)), codecs)

    def key(self, place: tuple[int, ...]) -> str:
        """The key of a chunk."""
        return self.dimension_separator.join(map(str, place))


class ArrayV3(Array, _Codecs):
    """``zarr.json`` of an array."""

    zarr_format: Literal[3]
    node_type: Literal["array"]
    data_type: Literal[tuple(V3_TYPES)]  # type: ignore[valid-type]
    chunk_grid: _Grid
    chunk_key_encoding: _Named
    storage_transformers: Annotated[list[Any], Field(max_length=0)] = []

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
        return _pipeline(self.chunks, self.dtype, self.codecs)

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


def _pipeline(chunk: tuple[int, ...], dtype: np.dtype, codecs: list[_Named], *, sharded: bool = False) -> Pipeline:
    """The codecs of version 3: transpose, then bytes or one shard, then what packs bytes.

    Raises
    ------
    ValueError
        A codec that is not read.
    """
    axes, left = tuple(range(len(chunk))), list(codecs)
    while left and left[0].name == "transpose":
        order = left.pop(0).configuration.get("order")
        if not isinstance(order, list) or sorted(order, key=str) != list(range(len(axes))):
            raise ValueError("a transpose codec whose order names each axis once")
        axes = tuple(axes[int(axis)] for axis in order)
    if not left:
        raise ValueError("a codec that makes bytes")
    first = left.pop(0)
    if first.name == "sharding_indexed" and not sharded and axes == tuple(range(len(chunk))) and not left:
        shard = _Shard.model_validate(first.configuration)
        inner = _pipeline(shard.chunk_shape, dtype, shard.codecs, sharded=True)
        index = [codec.name for codec in shard.index_codecs]
        little = not shard.index_codecs or shard.index_codecs[0].configuration.get("endian", "little") == "little"
        if index not in (["bytes"], ["bytes", "crc32c"]) or not little:
            raise ValueError("the index of a shard as little-endian bytes, with or without crc32c")
        if len(shard.chunk_shape) != len(chunk) or any(a % b for a, b in zip(chunk, shard.chunk_shape, strict=True)):
            raise ValueError("shards that are whole multiples of their chunks")
        return Pipeline(chunk, dtype, axes, (), Sharding(inner, first=shard.index_location == "start", checked=len(index) == 2))
    if first.name != "bytes" or first.configuration.get("endian", "little") not in {"little", "big"}:
        raise ValueError(f"the codec bytes or one level of sharding_indexed, got {first.name!r:.40}")
    stored = dtype.newbyteorder("<" if first.configuration.get("endian", "little") == "little" else ">")
    packed = tuple("crc32c" if codec.name == "crc32c" else _compressor(codec.name.removeprefix("numcodecs.")) for codec in left)
    if len([name for name in packed if name != "crc32c"]) > 1:
        raise ValueError("at most one compressor")
    return Pipeline(chunk, stored, axes, packed)


def _compressor(name: Any) -> str:
    if name not in COMPRESSORS:
        raise ValueError(f"one of the compressors {', '.join(sorted(COMPRESSORS))}, got {name!r:.40}")
    return str(name)


def _text_fill(value: str, dtype: np.dtype) -> float:
    words = {"NaN": np.nan, "Infinity": np.inf, "-Infinity": -np.inf}
    if dtype.kind != "f" or not (value in words or re.fullmatch(rf"0x[0-9a-fA-F]{{{2 * dtype.itemsize}}}", value)):
        raise ValueError(f"a fill value {value!r:.60} of {dtype}")
    return words[value] if value in words else float(struct.unpack(f">{dtype.char}", bytes.fromhex(value[2:]))[0])
