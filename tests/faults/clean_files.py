"""A clean file of every format that the project reads, another one for every random generator; written by the formats' own writers.

Each maker takes a generator and an empty folder and gives the path of the file in it (of a zarr store, of its folder). The
fault corpus damages these files, and the fuzz run mutates them.
"""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import diemap_writers as write
import numpy as np
import raster_samples as rasters
import yaml
from wm811k_writer import lswmd

from inspection.formats.klarf.writer import write_klarf12, write_klarf18
from inspection.wafer.maps import DefectMap, WaferInfo

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.random import Generator
    from numpy.typing import NDArray

    Maker = Callable[[Generator, Path], Path]

RADIUS_UM = 150_000.0


def named(rng: Generator) -> str:
    """A lot that no other file has."""
    return f"L{rng.integers(10**9, 10**10)}"


# --- points


def defect_map(rng: Generator, *, half: bool = False) -> DefectMap:
    """A wafer of 60 to 200 defects, each well inside an inspected die; ``half``: only dies right of the centre were inspected."""
    width, height = rng.uniform(8_000, 20_000, 2).round(3).tolist()
    places = np.stack(np.meshgrid(np.arange(-25, 25), np.arange(-25, 25)), axis=-1).reshape(-1, 2)
    corners = places[:, None, :] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])
    inside = np.hypot(corners[..., 0] * width, corners[..., 1] * height).max(axis=1) < RADIUS_UM * 0.98
    dies = places[inside & (places[:, 0] >= (0 if half else -25))].astype(np.int32)
    chosen = dies[rng.integers(0, len(dies), int(rng.integers(60, 200)))]
    xy = (chosen + rng.uniform(0.05, 0.95, chosen.shape)) * (width, height)
    sizes = rng.uniform(0.1, 9.0, len(xy)).round(3)
    return DefectMap(
        info=WaferInfo(
            lot=named(rng),
            wafer=f"{rng.integers(1, 26):02d}",
            slot=int(rng.integers(1, 26)),
            product="P7",
            layer="M1",
            tool="T3",
            inspected_at=datetime(2026, 1, 5, 6, 0, 0, tzinfo=UTC),
        ),
        xy_um=xy,
        pitch_um=(width, height),
        origin_um=(0.0, 0.0),
        dies=dies,
        attributes={"CLASSNUMBER": rng.integers(0, 9, len(xy)), "XSIZE": sizes, "YSIZE": sizes, "DEFECTAREA": sizes**2},
    )


def klarf12(rng: Generator, folder: Path, *, half: bool = False) -> Path:
    write_klarf12(folder / "w.001", [defect_map(rng, half=half)])
    return folder / "w.001"


def klarf18(rng: Generator, folder: Path, *, half: bool = False) -> Path:
    write_klarf18(folder / "w.klarf", [defect_map(rng, half=half)])
    return folder / "w.klarf"


def table(rng: Generator) -> dict[str, NDArray | list[str]]:
    """Columns of a table of points of two wafers."""
    one, other = defect_map(rng), defect_map(rng)
    xy = np.concatenate((one.xy_um, other.xy_um)).round(3)
    wafers = ["01"] * one.defects + ["02"] * other.defects
    return {"lot": [one.info.lot] * len(xy), "wafer": wafers, "x_um": xy[:, 0], "y_um": xy[:, 1], "size": rng.integers(1, 99, len(xy))}


def csv(rng: Generator, folder: Path, *, delimiter: str = ",") -> Path:
    columns = table(rng)
    lines = [delimiter.join(columns), *(delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    (folder / "w.csv").write_text("\n".join(lines) + "\n")
    return folder / "w.csv"


def mapped_csv(rng: Generator, folder: Path) -> Path:
    """A table whose columns only its sidecar explains."""
    path = csv(rng, folder)
    path.write_text(path.read_text().replace("x_um,y_um", "across,upward", 1))
    (folder / "w.csv.yaml").write_text(yaml.safe_dump({"columns": {"x": "across", "y": "upward"}, "unit": "um"}))
    return path


def parquet(rng: Generator, folder: Path) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(table(rng)), folder / "w.parquet")
    return folder / "w.parquet"


# --- die maps


def status(rng: Generator) -> NDArray[np.uint8]:
    """A round die map: 0 no die, 1 pass, 2 fail, with at least one of each."""
    rows, cols = rng.integers(12, 30, 2).tolist()
    y, x = np.mgrid[:rows, :cols]
    disc = ((x + 0.5 - cols / 2) / cols * 2) ** 2 + ((y + 0.5 - rows / 2) / rows * 2) ** 2 <= 1
    made = np.where(disc, np.where(rng.random((rows, cols)) < 0.1, 2, 1), 0).astype(np.uint8)
    made[rows // 2, cols // 2] = 2
    return made


def step_mm(made: NDArray[np.uint8]) -> tuple[float, float]:
    """Pitch with which ``made`` fills a wafer of 300 mm."""
    return round(290 / made.shape[1], 3), round(290 / made.shape[0], 3)


def archive_arrays(rng: Generator) -> dict[str, NDArray]:
    maps = [status(rng) for _ in range(int(rng.integers(2, 6)))]
    return {
        "pixels": np.concatenate([m.ravel() for m in maps]),
        "offsets": np.cumsum([0, *(m.size for m in maps)]),
        "shapes": np.array([m.shape for m in maps]),
        "label": np.arange(len(maps)) % 2,
        "classes": np.array(["Ring", "Normal"]),
        "lot": np.array([named(rng)] * len(maps)),
        "wafer": np.arange(len(maps)),
    }


def archive(rng: Generator, folder: Path) -> Path:
    np.savez_compressed(folder / "w.npz", **archive_arrays(rng))
    return folder / "w.npz"


def mixedwm38(rng: Generator, folder: Path) -> Path:
    maps = np.zeros((int(rng.integers(2, 6)), 52, 52), np.int32)
    maps[:, 8:44, 8:44] = rng.integers(1, 3, (len(maps), 36, 36))
    np.savez_compressed(folder / "w.npz", arr_0=maps, arr_1=rng.integers(0, 2, (len(maps), 8)))
    return folder / "w.npz"


def pickled(rng: Generator) -> bytes:
    lot = named(rng)
    return lswmd([(status(rng), lot, k, "Ring", "Training") for k in range(1, int(rng.integers(2, 5)))])


def wm811k(rng: Generator, folder: Path) -> Path:
    (folder / "LSWMD.pkl").write_bytes(pickled(rng))
    return folder / "LSWMD.pkl"


def sinf(rng: Generator, folder: Path) -> Path:
    made = status(rng)
    content = write.sinf(made, pitch_mm=step_mm(made), header={"LOT": named(rng)}, degrees=int(rng.integers(0, 4)) * 90)
    (folder / "w.sinf").write_bytes(content)
    return folder / "w.sinf"


def g85(rng: Generator, folder: Path) -> Path:
    kind = str(rng.choice(list(write.BIN_TYPES)))
    (folder / "w.xml").write_bytes(write.g85(status(rng), bin_type=kind, attributes={"LotId": named(rng)}))
    return folder / "w.xml"


def e142(rng: Generator, folder: Path, *, coordinates: bool = False) -> Path:
    made = status(rng)
    content = write.e142([made], step=step_mm(made), coordinates=coordinates).replace(b"LOT9", named(rng).encode())
    (folder / "w.xml").write_bytes(content.replace(b'<DeviceSize X="200" Y="200"/>', b'<DeviceSize X="300" Y="300"/>'))
    return folder / "w.xml"


def stdf(rng: Generator, folder: Path) -> Path:
    made = status(rng)
    content = write.stdf([made], mark=str(rng.choice(["<", ">"])), step=step_mm(made), seed=int(rng.integers(2**31)))
    (folder / "w.stdf").write_bytes(content)
    return folder / "w.stdf"


# --- rasters


def pixels(rng: Generator) -> NDArray[np.uint8]:
    """A square raster of 100 to 200 pixels a side, with 5 to 40 defects well inside the wafer."""
    side = int(rng.integers(100, 200))
    made = np.zeros((side, side), np.uint8)
    defects = int(rng.integers(5, 40))
    angle, radius = rng.uniform(0, 2 * np.pi, defects), side * 0.45 * np.sqrt(rng.random(defects))
    made[(side / 2 + radius * np.sin(angle)).astype(int), (side / 2 + radius * np.cos(angle)).astype(int)] = 255
    return made


def raster(rng: Generator, folder: Path, *, kind: Callable[..., Path], **options: object) -> Path:
    """A raster with a sidecar (a zarr store has none)."""
    made = pixels(rng)
    path = kind(folder, made, **options)
    if not path.is_dir():
        said = {"lot": named(rng), "wafer": "01", "pixel_um": round(300_000 / len(made), 3), "threshold": 128}
        beside = path.with_suffix(".yaml")
        layout = yaml.safe_load(beside.read_text()) if beside.exists() else {}
        beside.write_text(yaml.safe_dump({**layout, **said}))
    return path


npy = partial(raster, kind=rasters.npy)
raw = partial(raster, kind=rasters.raw, offset=12)
tiff = partial(raster, kind=rasters.tiff, rowsperstrip=16)
tiff_packed = partial(raster, kind=rasters.tiff, rowsperstrip=16, compression="deflate")
tiff_tiles = partial(raster, kind=rasters.tiff, tile=(32, 32), bigtiff=True, compression="lzw")
png = partial(raster, kind=rasters.picture, ending=".png")
jpeg = partial(raster, kind=rasters.picture, ending=".jpg")
zarr3 = partial(raster, kind=rasters.zarr)
zarr2 = partial(raster, kind=rasters.zarr_v2, compressor="zlib")
zarr_sharded = partial(raster, kind=rasters.sharded)
zarr_ome = partial(raster, kind=rasters.zarr, ome=True)
zarr_zip = partial(raster, kind=rasters.zarr, zipped=True)


# --- compressed


def packed(rng: Generator, folder: Path, *, inside: Maker = klarf12, suffix: str = ".gz") -> Path:
    """A clean file of another maker, in gzip or zstd."""
    path = inside(rng, folder)
    pack = gzip.compress if suffix == ".gz" else zst
    target = path.with_name(path.name + suffix)
    target.write_bytes(pack(path.read_bytes()))
    path.unlink()
    return target


def zst(content: bytes) -> bytes:
    import pyarrow as pa

    return pa.Codec("zstd").compress(content, asbytes=True)


MAKERS: dict[str, Maker] = {
    "klarf1": klarf12,
    "klarf18": klarf18,
    "diemap_archive": archive,
    "mixedwm38": mixedwm38,
    "wm811k_pickle": wm811k,
    "sinf": sinf,
    "semi_g85": g85,
    "semi_e142": e142,
    "semi_e142 by coordinates": partial(e142, coordinates=True),
    "stdf": stdf,
    "raster .npy": npy,
    "raster raw": raw,
    "raster TIFF": tiff,
    "raster TIFF, deflate": tiff_packed,
    "raster BigTIFF, tiles, LZW": tiff_tiles,
    "raster PNG": png,
    "raster JPEG": jpeg,
    "raster zarr v2": zarr2,
    "raster zarr v3": zarr3,
    "raster zarr v3, sharded": zarr_sharded,
    "raster OME-Zarr": zarr_ome,
    "raster zarr in zip": zarr_zip,
    "points .csv": csv,
    "points .csv by sidecar": mapped_csv,
    "points .parquet": parquet,
    "gzip": packed,
    "zstd": partial(packed, suffix=".zst"),
}
"""By name of the format in ``formats/table.py`` and, where it has several, the kind of file."""
