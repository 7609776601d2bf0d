"""Inspection images: the pixels that were written are the pixels that are read, at a bounded size, by one rule for all."""

import numpy as np
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from image_samples import picture, write

from inspection.errors import FormatError
from inspection.formats import table
from inspection.formats.canonical import CanonicalWafer, read_shard, write_shard
from inspection.formats.image import reader
from inspection.params import Ingest
from inspection.wafer.image_planes import BRIGHTEST, DARKEST
from inspection.wafer.maps import ImageMap, SourceWafer, WaferInfo

LIMITS = Ingest()
ENDINGS = (".png", ".tif", ".bmp", ".npy")


def save(path, pixels, **said):
    """A raster of any ending with the sidecar that makes an image of it."""
    if path.suffix == ".npy":
        np.save(path, pixels)
    else:
        write(path, pixels)
    path.with_name(path.name + ".yaml").write_text(yaml.safe_dump({"kind": "image", **said}), encoding="utf-8")
    return path


def read(path, limits=LIMITS) -> SourceWafer:
    assert table.recognise(path).name == "image"
    (found,) = table.read(path, limits)
    return found


@given(seed=st.integers(0, 2**32), rows=st.integers(1, 40), cols=st.integers(1, 40), ending=st.sampled_from(ENDINGS))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_what_was_written_is_read(tmp_path, seed, rows, cols, ending):
    pixels = np.random.default_rng(seed).integers(0, 256, (rows, cols)).astype(np.uint8)
    found = read(save(tmp_path / f"one{ending}", pixels))
    assert isinstance(found.map, ImageMap)
    np.testing.assert_array_equal(found.map.planes[..., 0], pixels)
    shard = tmp_path / "shard.parquet"
    write_shard(shard, [CanonicalWafer("0" * 64, "one", found)])
    (back,) = read_shard(shard)
    np.testing.assert_array_equal(back.wafer.map.planes, found.map.planes)
    assert back.wafer.map.info == found.map.info


def test_three_planes_come_back_from_the_shard_too(tmp_path):
    planes = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    wafer = SourceWafer(0, ImageMap(info=WaferInfo(lot="A", wafer="1"), planes=planes))
    write_shard(tmp_path / "shard.parquet", [CanonicalWafer("0" * 64, "one", wafer)])
    (back,) = read_shard(tmp_path / "shard.parquet")
    np.testing.assert_array_equal(back.wafer.map.planes, planes)


@pytest.mark.parametrize("ending", [".png", ".tif", ".bmp"])
def test_colour_becomes_its_luminance_by_bt_601(tmp_path, ending):
    bgr = np.random.default_rng(0).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    found = read(save(tmp_path / f"one{ending}", bgr))
    expected = bgr.astype(float) @ (0.114, 0.587, 0.299)
    assert np.abs(found.map.planes[..., 0] - expected).max() <= 0.501
    assert any("luminance" in note for note in found.notes)


@pytest.mark.parametrize(
    ("pixels", "said", "grey"),
    [
        (np.array([[0, 255, 256, 65535]], np.uint16), {}, [0, 0, 1, 255]),
        (np.array([[0, 1, 4094, 4095, 9999]], np.uint16), {"range": [0, 4095]}, [0, 0, 255, 255, 255]),
        (np.array([[0.0, 0.5, 1.0]], np.float32), {}, [0, 128, 255]),
        (np.array([[-5.0, 0.0, 5.0]]), {"range": [-5, 5]}, [0, 128, 255]),
        (np.array([[0, 100]], np.uint8), {"range": [100, 0]}, [255, 0]),
        (np.array([[True, False]]), {}, [255, 0]),
    ],
)
def test_other_types_become_bytes_by_one_rule(tmp_path, pixels, said, grey):
    found = read(save(tmp_path / "one.npy", pixels, **said))
    assert found.map.planes[0, :, 0].tolist() == grey


def test_a_camera_of_twelve_bits_is_told_to_say_so(tmp_path):
    found = read(save(tmp_path / "one.npy", np.array([[0, 4095]], np.uint16)))
    assert any("range" in note for note in found.notes)


@pytest.mark.parametrize("pixels", [np.array([[-1, 1]], np.int16), np.array([[0.0, 2.0]]), np.array([[0.0, np.nan]])])
def test_without_a_range_nothing_is_guessed(tmp_path, pixels):
    with pytest.raises(FormatError) as refused:
        read(save(tmp_path / "one.npy", pixels))
    assert refused.value.reason.code == "image.range"
    assert "images.yaml" in refused.value.reason.action


def test_a_large_image_is_kept_small_and_loses_no_extreme(tmp_path):
    pixels = np.full((300, 100), 128, np.uint8)
    pixels[7, 9], pixels[250, 50] = 255, 0
    found = read(save(tmp_path / "one.png", pixels), LIMITS.model_copy(update={"image_px": 60}))
    assert found.map.planes.shape == (60, 20, 3)
    assert found.map.planes[..., BRIGHTEST].max() == 255
    assert found.map.planes[..., DARKEST].min() == 0


def test_a_huge_image_is_refused_and_sent_to_the_pyramid(tmp_path):
    path = save(tmp_path / "one.png", picture("good", 0))
    with pytest.raises(FormatError) as refused:
        read(path, LIMITS.model_copy(update={"max_image_px": 1_000}))
    assert refused.value.reason.code == "image.size"
    assert "inspection pyramid" in refused.value.reason.action


def test_what_its_sidecar_says_is_known_of_it(tmp_path):
    path = save(tmp_path / "one.png", picture("good", 0), lot="L7", wafer="03", product="P", inspected_at="2026-01-05T06:00:00")
    info = read(path).map.info
    assert (info.lot, info.wafer, info.product, info.inspected_at.isoformat()) == ("L7", "03", "P", "2026-01-05T06:00:00+00:00")
    assert read(save(tmp_path / "two.png", picture("good", 0))).map.info.wafer == "two"


def test_a_yaml_for_the_folder_makes_images_of_its_pictures(tmp_path):
    write(tmp_path / "one.png", picture("good", 0))
    assert table.recognise(tmp_path / "one.png").name == "raster"
    (tmp_path / "images.yaml").write_text("", encoding="utf-8")
    assert table.recognise(tmp_path / "one.png").name == "image"


@pytest.mark.parametrize("said", ["kind: image\nrange: [1]\n", "kind: image\nrang: [0, 1]\n", "kind: image\nclasses: some\n"])
def test_a_wrong_sidecar_is_refused(tmp_path, said):
    path = save(tmp_path / "one.png", picture("good", 0))
    path.with_name("one.png.yaml").write_text(said, encoding="utf-8")
    with pytest.raises(FormatError, match=r"image\.sidecar"):
        list(reader.read(path, LIMITS))


@pytest.mark.parametrize("ending", [".bmp", ".png", ".tif", ".jpg"])
def test_a_cut_picture_is_refused(tmp_path, ending):
    path = save(tmp_path / f"one{ending}", picture("good", 0))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FormatError):
        list(reader.read(path, LIMITS))


@pytest.mark.parametrize(("at", "value"), [(18, 0), (18, 60_000), (22, 2**31 - 1), (28, 7), (30, 1)])
def test_a_bmp_with_a_wrong_header_is_refused_before_it_is_decoded(tmp_path, at, value):
    path = save(tmp_path / "one.bmp", picture("good", 0))
    data = bytearray(path.read_bytes())
    width = 2 if at == 28 else 4
    data[at : at + width] = value.to_bytes(width, "little")
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"raster\."):
        list(reader.read(path, LIMITS))
