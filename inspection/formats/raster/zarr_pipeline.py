"""The lists of codecs in the metadata of a zarr array, version 2 and 3, as the way back from bytes to pixels."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PositiveInt

from inspection.formats.raster.zarr_codecs import COMPRESSORS, Pipeline, Sharding, Step

Sizes = Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=8)]
_MOST_ELEMENT = 64


class Part(BaseModel):
    """Some of the metadata: what is not named here is not needed."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def _named(value: Any) -> Any:
    if isinstance(value, str):  # the short form of version 3.1
        return {"name": value}
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Named(Part):
    """A codec, a grid or an encoding of keys, by its name."""

    name: str
    configuration: dict[str, Any] = Field(default_factory=dict)


Codec = Annotated[Named, BeforeValidator(_named)]


class Codecs(Part):
    """A list of codecs of version 3, inside a shard too."""

    codecs: list[Codec] = Field(min_length=1, max_length=8)


class _Shard(Codecs):
    chunk_shape: Sizes
    index_codecs: list[Codec] = Field(max_length=4)
    index_location: Literal["start", "end"] = "end"


def pipeline_v2(
    chunk: tuple[int, ...], stored: np.dtype, order: str, filters: list[dict[str, Any]], compressor: dict[str, Any] | None
) -> Pipeline:
    """Of version 2: filters, then one compressor.

    Raises
    ------
    ValueError
        A filter or a compressor that is not read.
    """
    axes = tuple(range(len(chunk)))
    steps = [_filter(one.get("id"), one, stored) for one in filters]
    if compressor is not None:
        steps.append(_compressor(compressor.get("id")))
    return Pipeline(chunk, stored, axes if order == "C" else axes[::-1], tuple(steps))


def pipeline_v3(chunk: tuple[int, ...], dtype: np.dtype, codecs: list[Named], *, sharded: bool = False) -> Pipeline:
    """Of version 3: transpose and filters, then bytes or one shard, then what packs bytes.

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
    steps = []
    while left and left[0].name == "numcodecs.delta":
        steps.append(_filter("delta", left.pop(0).configuration, dtype))
    if not left:
        raise ValueError("a codec that makes bytes")
    first = left.pop(0)
    if first.name == "sharding_indexed" and not (sharded or steps or left) and axes == tuple(range(len(chunk))):
        return Pipeline(chunk, dtype, axes, (), _sharding(_Shard.model_validate(first.configuration), chunk, dtype))
    if first.name != "bytes" or first.configuration.get("endian", "little") not in {"little", "big"}:
        raise ValueError(f"the codec bytes or one level of sharding_indexed, got {first.name!r:.40}")
    stored = dtype.newbyteorder("<" if first.configuration.get("endian", "little") == "little" else ">")
    for codec in left:
        name = codec.name.removeprefix("numcodecs.")
        if name == "crc32c":
            steps.append(Step(name))
        else:
            steps.append(_filter(name, codec.configuration, stored) if name == "shuffle" else _compressor(name))
    if len([step for step in steps if step.name in COMPRESSORS]) > 1:
        raise ValueError("at most one compressor")
    return Pipeline(chunk, stored, axes, tuple(steps))


def _sharding(shard: _Shard, chunk: tuple[int, ...], dtype: np.dtype) -> Sharding:
    inner = pipeline_v3(shard.chunk_shape, dtype, shard.codecs, sharded=True)
    index = [codec.name for codec in shard.index_codecs]
    little = not shard.index_codecs or shard.index_codecs[0].configuration.get("endian", "little") == "little"
    if index not in (["bytes"], ["bytes", "crc32c"]) or not little:
        raise ValueError("the index of a shard as little-endian bytes, with or without crc32c")
    if len(shard.chunk_shape) != len(chunk) or any(a % b for a, b in zip(chunk, shard.chunk_shape, strict=True)):
        raise ValueError("shards that are whole multiples of their chunks")
    return Sharding(inner, first=shard.index_location == "start", checked=len(index) == 2)


def _compressor(name: Any) -> Step:
    if not isinstance(name, str) or name not in COMPRESSORS:
        raise ValueError(f"one of the compressors {', '.join(sorted(COMPRESSORS))}, got {name!r:.40}")
    return Step(name)


def _filter(name: Any, said: dict[str, Any], stored: np.dtype) -> Step:
    """A filter of numcodecs that loses nothing."""
    if name == "delta" and all(_is_type(said.get(key, stored.str), stored) for key in ("dtype", "astype")):
        return Step(name)
    element = said.get("elementsize", 4)
    if name == "shuffle" and isinstance(element, int) and 1 <= element <= _MOST_ELEMENT:
        return Step(name, element)
    if name == "packbits" and stored.kind == "b":
        return Step(name)
    raise ValueError(f"the filters delta (of the array's own type), shuffle, or packbits of bool, got {name!r:.40}")


def _is_type(text: Any, stored: np.dtype) -> bool:
    try:
        return np.dtype(str(text)).newbyteorder("=") == stored.newbyteorder("=")
    except TypeError:
        return False
