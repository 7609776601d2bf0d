"""How a wafer lies in one row of the canonical shard.

Scalars are ordinary columns, so any Parquet reader can query them. Places are two lists of doubles (null for a die
map or an image); die maps and images keep their bytes beside ``rows`` and ``cols``. Attributes differ from source to
source, so each is kept as (name, dtype, bytes) and comes back with the same dtype and values.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from inspection.errors import InputError
from inspection.wafer.maps import DefectMap, DieMap, ImageMap, SourceWafer, WaferInfo

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from inspection.wafer.maps import InspectionMap

VERSION = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION_KEY = b"wafer-inspection.shard"
_ATTRIBUTE_KINDS = "biufUS"

INDEX_COLUMNS = (
    *("file_sha256", "source", "index", "row", "lot", "wafer", "slot", "product", "layer", "tool", "chamber", "recipe"),
    *("inspected_at", "kind", "diameter_mm", "defects", "label"),
)

_TEXT = pa.string()
_DOUBLES = pa.list_(pa.float64())
SCHEMA = pa.schema(
    [
        pa.field("file_sha256", _TEXT, nullable=False),
        pa.field("source", _TEXT, nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("row", pa.int64(), nullable=False),
        pa.field("lot", _TEXT, nullable=False),
        pa.field("wafer", _TEXT, nullable=False),
        ("slot", pa.int64()),
        *((name, _TEXT) for name in ("product", "layer", "tool", "chamber", "recipe")),
        ("inspected_at", pa.timestamp("us", tz="UTC")),
        pa.field("kind", _TEXT, nullable=False),
        pa.field("diameter_mm", pa.float64(), nullable=False),
        pa.field("defects", pa.int64(), nullable=False),
        ("label", _TEXT),
        ("notes", pa.list_(_TEXT)),
        ("classes", pa.list_(pa.struct([("number", pa.int64()), ("name", _TEXT)]))),
        ("pitch_um", _DOUBLES),
        ("origin_um", _DOUBLES),
        ("x_um", _DOUBLES),
        ("y_um", _DOUBLES),
        ("dies", pa.list_(pa.int32())),
        ("attributes", pa.list_(pa.struct([("name", _TEXT), ("dtype", _TEXT), ("values", pa.binary())]))),
        ("rows", pa.int32()),
        ("cols", pa.int32()),
        ("status", pa.binary()),
        ("planes", pa.binary()),
    ],
    metadata={VERSION_KEY: str(VERSION).encode()},
)


@dataclass(frozen=True, slots=True, eq=False)
class CanonicalWafer:
    """A wafer and the file it came from: ``file_sha256`` of its bytes, ``source`` its name."""

    file_sha256: str
    source: str
    wafer: SourceWafer


def to_row(item: CanonicalWafer) -> dict[str, Any]:
    """One row by column name; a column that is left out is null."""
    source, made = item.wafer, item.wafer.map
    info = made.info
    at = info.inspected_at
    row: dict[str, Any] = {
        "file_sha256": item.file_sha256,
        "source": item.source,
        "index": source.index,
        "row": source.row,
        **{n: getattr(info, n) for n in ("lot", "wafer", "slot", "product", "layer", "tool", "chamber", "recipe")},
        "inspected_at": at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC),
        "diameter_mm": info.diameter_mm,
        "defects": made.defects,
        "label": source.label,
        "notes": list(source.notes),
        "classes": [{"number": number, "name": name} for number, name in source.classes.items() if abs(number) < 2**63],
        "kind": made.kind,
    }
    if isinstance(made, ImageMap):
        rows, cols, _ = made.planes.shape
        return row | {"rows": rows, "cols": cols, "planes": np.ascontiguousarray(made.planes, dtype=np.uint8).tobytes()}
    row["pitch_um"] = made.pitch_um
    if isinstance(made, DieMap):
        rows, cols = made.status.shape
        return row | {"rows": rows, "cols": cols, "status": np.ascontiguousarray(made.status, dtype=np.uint8).tobytes()}
    xy = np.asarray(made.xy_um, dtype=np.float64).reshape(-1, 2)
    return row | {
        "origin_um": made.origin_um,
        "x_um": xy[:, 0],
        "y_um": xy[:, 1],
        "dies": None if made.dies is None else np.asarray(made.dies, dtype=np.int32).ravel(),
        "attributes": [_attribute(name, values, len(xy)) for name, values in made.attributes.items()],
    }


def _attribute(name: str, values: NDArray, defects: int) -> dict[str, Any]:
    if values.shape != (defects,) or values.dtype.kind not in _ATTRIBUTE_KINDS:
        raise InputError(
            f"Cannot keep attribute {name}: expected numbers or text of shape ({defects},), "
            f"got {values.dtype} of shape {values.shape}. Leave it out of the map or convert it."
        )
    return {"name": name, "dtype": values.dtype.str, "values": values.tobytes()}


def row_bytes(row: dict[str, Any]) -> int:
    """Memory of the arrays of a row, bytes."""
    arrays = sum(row[n].nbytes for n in ("x_um", "y_um", "dies") if row.get(n) is not None)
    return arrays + len(row.get("status") or row.get("planes") or b"") + sum(len(a["values"]) for a in row.get("attributes") or ())


def to_table(group: list[dict[str, Any]]) -> pa.Table:
    """Rows as one table of `SCHEMA`."""
    arrays = []
    for entry in SCHEMA:
        values = [row.get(entry.name) for row in group]
        flat = pa.types.is_list(entry.type) and any(isinstance(v, np.ndarray) for v in values)
        arrays.append(_lists(values, entry.type) if flat else pa.array(values, type=entry.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def _lists(values: list[NDArray | None], kind: pa.ListType) -> pa.ListArray:
    """A list column from arrays at once: element by element would take seconds per million."""
    offsets = np.concatenate(([0], np.cumsum([0 if v is None else len(v) for v in values]))).astype(np.int32)
    missing = np.array([v is None for v in values] + [False])
    flat = np.concatenate([np.empty(0, dtype=kind.value_type.to_pandas_dtype()), *(v for v in values if v is not None)])
    return pa.ListArray.from_arrays(pa.array(offsets, mask=missing, type=pa.int32()), pa.array(flat, type=kind.value_type))


def to_columns(table: pa.Table) -> dict[str, Any]:
    """Columns of a row group: arrays stay Arrow values, scalars become Python values once."""
    out: dict[str, Any] = {}
    for name in SCHEMA.names:
        if name not in table.column_names:  # added since the shard was written
            out[name] = [None] * table.num_rows
            continue
        column = table.column(name).combine_chunks()
        column = column.chunk(0) if isinstance(column, pa.ChunkedArray) and column.num_chunks else column
        if name in ("x_um", "y_um", "dies"):
            out[name] = (
                column.offsets.to_numpy(),
                column.values.to_numpy(),
                column.is_valid().to_numpy(zero_copy_only=False),
            )
        elif name == "inspected_at":
            out[name] = column.cast(pa.int64()).to_pylist()
        elif name in ("status", "planes", "attributes"):
            out[name] = column
        else:
            out[name] = column.to_pylist()
    return out


def from_row(columns: dict[str, Any], i: int) -> CanonicalWafer:
    """Wafer ``i`` of a row group's `to_columns`."""
    at = columns["inspected_at"][i]
    info = WaferInfo(
        **{n: columns[n][i] for n in ("lot", "wafer", "slot", "product", "layer", "tool", "chamber", "recipe")},
        inspected_at=None if at is None else _EPOCH + timedelta(microseconds=at),
        diameter_mm=columns["diameter_mm"][i],
    )
    made: InspectionMap
    pitch = columns["pitch_um"][i]
    pitch = None if pitch is None else (pitch[0], pitch[1])
    if columns["kind"][i] == ImageMap.kind:
        planes = np.frombuffer(columns["planes"][i].as_buffer(), dtype=np.uint8)
        made = ImageMap(info=info, planes=planes.reshape(columns["rows"][i], columns["cols"][i], -1))
    elif columns["kind"][i] == DieMap.kind:
        status = np.frombuffer(columns["status"][i].as_buffer(), dtype=np.uint8)
        made = DieMap(info=info, status=status.reshape(columns["rows"][i], columns["cols"][i]), pitch_um=pitch)
    else:
        origin = columns["origin_um"][i]
        dies = _between(columns["dies"], i) if columns["dies"][2][i] else None
        made = DefectMap(
            info=info,
            xy_um=np.column_stack([_between(columns[n], i) for n in ("x_um", "y_um")]),
            pitch_um=pitch,
            origin_um=None if origin is None else (origin[0], origin[1]),
            dies=None if dies is None else dies.reshape(-1, 2).copy(),
            attributes={
                str(a["name"]): np.frombuffer(a["values"].as_buffer(), dtype=np.dtype(str(a["dtype"]))) for a in columns["attributes"][i]
            },
        )
    names = {entry["number"]: entry["name"] for entry in columns["classes"][i] or ()}
    source = SourceWafer(columns["index"][i], made, columns["label"][i], tuple(columns["notes"][i]), columns["row"][i], names)
    return CanonicalWafer(columns["file_sha256"][i], columns["source"][i], source)


def _between(column: tuple[NDArray, NDArray, NDArray], i: int) -> NDArray:
    offsets, values, _ = column
    return values[offsets[i] : offsets[i + 1]]
