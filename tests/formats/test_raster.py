"""Rasters are written and read in strips; the points come back to half a pixel."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, datetime

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError, InputError
from inspection.formats.raster.reader import read, recognises
from inspection.formats.raster.stream import STRIP_BYTES
from inspection.formats.raster.writer import write_raster
from inspection.intake.content import sidecar
from inspection.params import Ingest
from inspection.wafer.maps import DefectMap, WaferInfo

INFO = WaferInfo(
    lot="L1", wafer="02", slot=2, product="P", layer="L", tool="T", chamber="A", recipe="R",
    inspected_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), diameter_mm=200.0,
)  # fmt: skip
DIES = np.array([(-1, 0), (0, 0), (1, 0), (3, 0), (0, 1), (-2, -1)], np.int32)


def scatter(points: int, seed: int = 3) -> DefectMap:
    xy = np.random.default_rng(seed).uniform(-69_000, 69_000, size=(points, 2))
    return DefectMap(info=INFO, xy_um=xy, pitch_um=(5000.0, 6000.0), origin_um=(-2500.0, 10.0), dies=DIES)


def pixels_of(xy: np.ndarray, pixel: float) -> set[tuple[int, int]]:
    return set(map(tuple, np.floor(xy / pixel).astype(int).tolist()))


def only(path, limits=None):
    (wafer,) = read(path, limits or Ingest())
    return wafer


def test_points_come_back_to_half_a_pixel_with_all_names(tmp_path):
    path, wanted = tmp_path / "a.npy", scatter(300)
    pixel = 200_000 / 4096
    assert write_raster(path, wanted, 4096, pixel) == 300
    got = only(path).map
    distance = np.abs(got.xy_um[:, None] - wanted.xy_um[None]).max(axis=2)
    assert distance.min(axis=0).max() <= pixel / 2 + 1e-6
    assert distance.min(axis=1).max() <= pixel / 2 + 1e-6
    assert (got.info, got.pitch_um, got.origin_um) == (INFO, wanted.pitch_um, wanted.origin_um)
    assert set(map(tuple, got.dies.tolist())) == set(map(tuple, DIES.tolist()))
    assert only(path).notes == ()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.integers(40, 400), st.integers(0, 30))
def test_any_raster_holds_exactly_the_pixels_of_its_points(tmp_path_factory, seed, size, points):
    path, wanted = tmp_path_factory.mktemp("raster") / "a.npy", scatter(points, seed)
    pixel = 200_000 / (2 * size)
    write_raster(path, wanted, 2 * size, pixel)
    whole = np.load(path, allow_pickle=False)
    got = only(path).map.xy_um
    assert np.count_nonzero(whole) == len(got)
    assert pixels_of(got * [1, -1], pixel) == pixels_of(wanted.xy_um * [1, -1], pixel)


def test_a_fortran_ordered_raster_is_not_turned(tmp_path):
    image = np.zeros((40, 60), np.uint16, order="F")
    image[3, 50] = 9
    np.save(tmp_path / "c.npy", np.ascontiguousarray(image))
    np.save(tmp_path / "f.npy", image)
    np.testing.assert_array_equal(only(tmp_path / "c.npy").map.xy_um, only(tmp_path / "f.npy").map.xy_um)


@pytest.mark.parametrize("shape", [(1, 30, 40), (30, 40, 1), (1, 1, 30, 40), (1, 30, 40, 1)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dimensions_of_one_around_a_picture_change_nothing(tmp_path, shape, order):
    picture = np.zeros((30, 40), np.uint8)
    picture[3, 31] = picture[17, 2] = 1
    np.save(tmp_path / "flat.npy", picture)
    np.save(tmp_path / "deep.npy", np.asarray(picture.reshape(shape), order=order))
    flat, deep = (next(read(tmp_path / name, Ingest())).map.xy_um for name in ("flat.npy", "deep.npy"))
    assert sorted(map(tuple, deep)) == sorted(map(tuple, flat))


def test_without_a_sidecar_the_wafer_fills_the_raster_and_a_note_says_so(tmp_path):
    image = np.zeros((100, 100), np.float32)
    image[0, 99], image[50, 50], image[1, 1] = 0.25, -1, np.nan
    np.save(tmp_path / "a.npy", image)
    got = only(tmp_path / "a.npy")
    assert got.map.xy_um.tolist() == [[148_500.0, 148_500.0], [1_500.0, -1_500.0]]
    assert "no sidecar" in got.notes[0]


@pytest.mark.parametrize("name", ["a.yaml", "a.yml", "a.npy.yaml", "a.npy.yml"])
def test_each_name_that_intake_takes_along_is_read_as_the_sidecar(tmp_path, name):
    write_raster(tmp_path / "a.npy", scatter(5), 256, 800.0)
    (tmp_path / "a.yaml").rename(tmp_path / name)
    assert sidecar(tmp_path / "a.npy") == tmp_path / name
    assert only(tmp_path / "a.npy").map.info == INFO


def test_a_time_with_a_zone_becomes_utc(tmp_path):
    write_raster(tmp_path / "a.npy", scatter(5), 256, 800.0)
    content = yaml.safe_load((tmp_path / "a.yaml").read_text()) | {"inspected_at": "2026-01-02T05:04:05+02:00"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(content))
    at = only(tmp_path / "a.npy").map.info.inspected_at
    assert (at, at.tzinfo) == (INFO.inspected_at, UTC)


def test_threshold_polarity_and_centre_are_the_sidecars(tmp_path):
    image = np.full((30, 30), 200, np.uint8)
    image[10, 20], image[0, 0] = 20, 90
    np.save(tmp_path / "a.npy", image)
    sidecar = {"lot": 7, "pixel_um": 10, "centre_px": [10.5, 0.5], "threshold": 50, "polarity": "dark", "colour": "red"}
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(sidecar))
    got = only(tmp_path / "a.npy")
    assert got.map.xy_um.tolist() == [[200.0, 0.0]]
    assert got.map.info.lot == "7"
    assert "colour" in got.notes[0]


@pytest.mark.parametrize(
    "content",
    [
        "pixel_um: -3",
        "[1, 2]",
        "a: [",
        "polarity: grey",
        "dies: [[0, 5, 1]]",
        "polarity: dark",
        "!!python/name:os.system",
    ],
)
def test_a_bad_sidecar_is_refused(tmp_path, content):
    write_raster(tmp_path / "a.npy", scatter(5), 64, 4000.0)
    (tmp_path / "a.yaml").write_text(content)
    with pytest.raises(FormatError) as caught:
        only(tmp_path / "a.npy")
    assert caught.value.reason.code == "raster.sidecar"


@pytest.mark.parametrize("name", ["03", "007", "1.50", "2026-01-05", "yes", "0x1F", "1_000", "12:30:00", "L1#2"])
def test_a_name_that_looks_like_something_else_stays_as_it_stands(tmp_path, name):
    write_raster(tmp_path / "a.npy", scatter(5), 256, 800.0)
    (tmp_path / "a.yaml").write_text(f"lot: {name}\nwafer: {name}\nslot: 07\nproduct:\nlayer: ~\npixel_um: 800\n")
    info = only(tmp_path / "a.npy").map.info
    assert (info.lot, info.wafer, info.slot, info.product, info.layer) == (name, name, 7, None, None)


DATES = ["2026-13-45", "0001-01-01T00:00:00+14:00", "!!timestamp x"]
NUMBERS = [".inf", "1e308", "1e-320", "-5", "9" * 5_000, "0b_", "!!int z"]
LISTS = ["[.nan, 1]", "[1, 2]", "[[1, 2, 3]]", "[[4294967297, 0, 1]]", "&a [*a]", "*b", "[" * 3_000, "{" * 3_000, "- " * 3_000]
TEXTS = ["'\\ud800'", '"\\ud800"', '"a\\0b"']
VALUES = st.sampled_from([*DATES, *NUMBERS, *LISTS, *TEXTS])


@settings(max_examples=150, deadline=None)
@given(
    content=st.dictionaries(
        st.sampled_from(["lot", "slot", "inspected_at", "diameter_mm", "pixel_um", "centre_px", "threshold", "polarity", "dies", "x"])
        | st.sampled_from(["die_pitch_um", "die_origin_um"]),
        VALUES | st.text(max_size=20),
        max_size=4,
    )
)
def test_any_sidecar_gives_places_that_are_numbers_or_is_refused(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("sidecar") / "a.npy"
    image = np.zeros((20, 30), np.uint8)
    image[3, 4] = 9
    np.save(path, image)
    path.with_suffix(".yaml").write_text("\n".join(f"{k}: {v}" for k, v in content.items()), encoding="utf-8", errors="replace")
    try:
        got = only(path).map
    except FormatError:
        return
    assert np.isfinite(got.xy_um).all()
    assert got.pitch_um is None or min(got.pitch_um) > 0
    assert got.info.lot.isprintable()


@pytest.mark.parametrize(("polarity", "found"), [("bright", 2), ("dark", 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_broken_threshold_means_the_same_in_every_type(tmp_path, dtype, polarity, found):
    background = 0 if polarity == "bright" else 9
    image = np.full((20, 20), background, dtype)
    image[0, :3] = 2, 3, 4
    np.save(tmp_path / "a.npy", image)
    (tmp_path / "a.yaml").write_text(f"threshold: 2.5\npolarity: {polarity}\n")
    assert only(tmp_path / "a.npy").map.defects == found


def test_a_dense_raster_is_refused_and_told_what_to_do(tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(1).integers(0, 255, size=(200, 200), dtype=np.uint8))
    with pytest.raises(FormatError, match="threshold") as caught:
        only(tmp_path / "a.npy")
    assert caught.value.reason.code == "raster.dense"
    write_raster(tmp_path / "b.npy", scatter(50), 2000, 100.0)
    with pytest.raises(FormatError, match="dense"):
        only(tmp_path / "b.npy", Ingest(max_defects=49))


@pytest.mark.parametrize("cut", [3, 40, 130, 5000])
def test_a_truncated_raster_is_refused(tmp_path, cut):
    path = tmp_path / "a.npy"
    write_raster(path, scatter(5), 100, 2000.0)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(FormatError):
        only(path)


def test_objects_and_other_shapes_are_refused(tmp_path):
    np.save(tmp_path / "o.npy", np.array([[{}]], dtype=object), allow_pickle=True)
    np.save(tmp_path / "c.npy", np.zeros((3, 4, 5)))
    np.save(tmp_path / "e.npy", np.zeros((0, 4)))
    for name in ("o", "c", "e"):
        with pytest.raises(FormatError) as caught:
            only(tmp_path / f"{name}.npy")
        assert caught.value.reason.code == "raster.header"


@settings(max_examples=150, deadline=None)
@given(st.text("{}()[]'\":,<|u18f4ordeshap_tnT ru-\n", max_size=60))
def test_a_garbled_header_is_a_format_error(tmp_path_factory, header):
    path = tmp_path_factory.mktemp("raster") / "a.npy"
    raw = header.encode("latin1")
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(raw).to_bytes(2, "little") + raw)
    with pytest.raises(FormatError):
        only(path)


def test_recognised_by_content_only(tmp_path):
    write_raster(tmp_path / "a.npy", scatter(5), 64, 4000.0)
    assert recognises((tmp_path / "a.npy").read_bytes()[:64], tmp_path / "a.klarf")
    assert not recognises(b"FileVersion 1 2;", tmp_path / "a.npy")


def test_a_defect_outside_the_raster_is_refused(tmp_path):
    with pytest.raises(InputError, match="outside"):
        write_raster(tmp_path / "a.npy", scatter(20), 64, 1000.0)
    with pytest.raises(InputError, match="size_px"):
        write_raster(tmp_path / "a.npy", scatter(20), 0, 1000.0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_raster_of_20000_px_never_lies_whole_in_memory(tmp_path):
    path, wanted = tmp_path / "a.npy", scatter(10_000)
    tracemalloc.start()
    write_raster(path, wanted, 20_000, 10.0)
    got = only(path).map
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 400_000_000
    assert got.defects >= 9_990
    assert peak < 6 * STRIP_BYTES  # of 400 MB: the strips that are read ahead
