"""The size of a pixel that a raster itself states is used where it makes a wafer of it, and only there."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
import yaml
import zarr as library
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection.errors import FormatError
from inspection.formats.raster.kinds import open_raster
from inspection.formats.raster.reader import read
from inspection.formats.raster.scale import scale_of, um_of
from inspection.params import Ingest
from inspection.settings import Workspace
from inspection.stages.rasters import pyramid

SIDE = 1_000
POINT = (120, 730)
ONE = np.zeros((SIDE, SIDE), np.uint8)
ONE[POINT] = 9
UNITS = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6, "inch": 25_400.0, "centimeter": 1e4}


def only(path):
    (wafer,) = read(path, Ingest())
    return wafer


def places(pixel_um, side=SIDE):
    """Where the one defect lies, um."""
    return [[(POINT[1] + 0.5 - side / 2) * pixel_um, (side / 2 - POINT[0] - 0.5) * pixel_um]]


def lies_at(found, pixel_um):
    assert found.map.xy_um == pytest.approx(np.array(places(pixel_um)), rel=1e-4)


def ome_zarr(path, scale, unit, *, version=3, whole=None, array=ONE, axes="yx"):
    """An OME-Zarr picture; ``whole`` scales all its levels."""
    group = library.open_group(path, mode="w", zarr_format=version)
    group.create_array("0", data=array)
    said = [{"name": name, "type": "space"} | ({"unit": unit} if unit else {}) for name in axes]
    picture = {"axes": said, "datasets": [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]}
    if whole:
        picture["coordinateTransformations"] = [{"type": "scale", "scale": whole}]
    group.update_attributes({"ome": {"version": "0.5", "multiscales": [picture]}} if version == 3 else {"multiscales": [picture]})
    return path


def tiff(path, array=ONE, **options):
    tifffile.imwrite(path, array, **({"photometric": "minisblack", "metadata": None} | options))
    return path


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("unit", list(UNITS))
def test_ome_zarr_in_any_unit(tmp_path, unit, version):
    found = only(ome_zarr(tmp_path / "a.zarr", [205 / UNITS[unit]] * 2, unit, version=version))
    lies_at(found, 205)
    assert found.map.info.diameter_mm == 200
    assert any("205 um, and the wafer 200 mm" in note for note in found.notes)


def test_the_transformation_of_all_levels_counts_too(tmp_path):
    lies_at(only(ome_zarr(tmp_path / "a.zarr", [2.0, 2.0], "micrometer", whole=[100.0, 100.0])), 200)


@pytest.mark.parametrize(
    ("scale", "unit"),
    [([1.0, 1.0], None), ([0.0, 0.0], "micrometer"), ([-300.0] * 2, "micrometer"), (["300", []], "micrometer"), ([300.0], "micrometer"),
     ([300.0, 300.0], "pixel"), ([300.0, 300.0], 7), ([float("inf")] * 2, "micrometer"), ([1e308] * 2, "meter")],
)  # fmt: skip
def test_what_is_no_length_says_nothing(tmp_path, scale, unit):
    path = ome_zarr(tmp_path / "a.zarr", [1.0, 1.0], unit)
    place = path / "zarr.json"
    content = json.loads(place.read_text())
    content["attributes"]["ome"]["multiscales"][0]["datasets"][0]["coordinateTransformations"][0]["scale"] = scale
    place.write_text(json.dumps(content))
    found = only(path)
    lies_at(found, 300)
    assert any("taken to fill the raster" in note for note in found.notes)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize(("per_unit", "unit"), [(100 / 3, "CENTIMETER"), (100 / 3 * 2.54, "INCH")])
def test_the_resolution_of_a_tiff(tmp_path, per_unit, unit, bigtiff, compression):
    path = tiff(tmp_path / "a.tif", resolution=(per_unit,) * 2, resolutionunit=unit, bigtiff=bigtiff, compression=compression)
    found = only(path)
    lies_at(found, 300)
    assert found.map.info.diameter_mm == 300
    assert not any("fill the raster" in note for note in found.notes)


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "mm", "cm", "inch"])
def test_the_unit_of_imagej(tmp_path, unit):
    um = {"mm": 1e3, "cm": 1e4, "inch": 25_400.0}.get(unit, 1.0)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ONE, imagej=True, resolution=(um / 300,) * 2, metadata={"unit": unit})
    lies_at(only(path), 300)


def test_imagej_in_pixels_says_nothing(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, ONE, imagej=True, resolution=(1 / 450, 1 / 450), metadata={"unit": "pixel"})
    lies_at(only(path), 300)
    assert "fill the raster" in only(path).notes[-1]


@pytest.mark.parametrize(("value", "unit"), [(300.0, None), (300.0, "µm"), (0.3, "mm"), (300_000.0, "nm")])
def test_ome_tiff(tmp_path, value, unit):
    path = tmp_path / "a.ome.tif"
    units = {} if unit is None else {"PhysicalSizeXUnit": unit, "PhysicalSizeYUnit": unit}
    said = {"axes": "YX", "PhysicalSizeX": value, "PhysicalSizeY": value} | units
    with tifffile.TiffWriter(path, ome=True) as file:  # with a wrong resolution beside it, which does not count
        file.write(ONE, subifds=1, tile=(256, 256), resolution=(20, 20), metadata=said)
        file.write(ONE[::2, ::2], subfiletype=1, tile=(256, 256))
    lies_at(only(path), 300)


def test_the_xml_of_another_picture_or_of_none_says_nothing(tmp_path):
    for text in ('<OME><Pixels SizeX="500" SizeY="500" PhysicalSizeX="300" PhysicalSizeY="300"/></OME>', "<OME><Pix", "<OME>" * 2_000):
        lies_at(only(tiff(tmp_path / "a.tif", description=text)), 300)
        with open_raster(tmp_path / "a.tif", Ingest()) as stream:
            assert stream.pixel_um is None
    laughs = '<!DOCTYPE a [<!ENTITY b "cc">]><OME><Pixels SizeX="1000" SizeY="1000" PhysicalSizeX="400" PhysicalSizeY="400"/></OME>'
    with open_raster(tiff(tmp_path / "a.tif", description=laughs), Ingest()) as stream:
        assert stream.pixel_um is None


@pytest.mark.parametrize("dpi", [72, 96, 150, 300])
@pytest.mark.parametrize("in_cm", [False, True])
def test_the_resolution_of_a_drawing_program_is_no_pixel_of_a_wafer(tmp_path, dpi, in_cm):
    per_unit, unit = (dpi / 2.54, "CENTIMETER") if in_cm else (dpi, "INCH")
    found = only(tiff(tmp_path / "a.tif", resolution=(per_unit, per_unit), resolutionunit=unit))
    lies_at(found, 300)
    assert any("screens and printers" in note for note in found.notes)


@pytest.mark.parametrize("per_cm", [1.0, 1e6])
def test_a_raster_that_would_be_no_wafer_is_not_believed(tmp_path, per_cm):
    found = only(tiff(tmp_path / "a.tif", resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"))
    lies_at(found, 300)
    assert any("not believed" in note for note in found.notes)


@settings(max_examples=200, deadline=None)
@given(pixel=st.floats(1e-6, 1e6), side=st.integers(1, 60_000))
def test_only_what_makes_a_wafer_is_believed(pixel, side):
    scale = scale_of((side, side // 2 + 1), (pixel, pixel), None, None)
    extent = side * pixel / 1e3
    assert scale.known == (47 <= extent <= 530)
    assert (abs(scale.pixel_um / pixel - 1) < 1e-9) == scale.known or abs(extent - 300) < 1e-6
    assert 0.9 <= extent / scale.diameter_mm <= 1.11 or not scale.known


def test_the_sidecar_counts_and_a_contradiction_is_noted(tmp_path):
    path = tiff(tmp_path / "a.tif", resolution=(100 / 3,) * 2, resolutionunit="CENTIMETER")
    for said, noted in ((301.0, False), (310.0, True), (200.0, True)):
        (tmp_path / "a.yaml").write_text(yaml.safe_dump({"pixel_um": said}))
        found = only(path)
        lies_at(found, said)
        assert any("the file itself says 300" in note for note in found.notes) == noted
        assert found.map.info.diameter_mm == 300
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"diameter_mm": 290.0}))
    lies_at(only(path), 300)
    assert only(path).map.info.diameter_mm == 290


def test_pixels_that_are_not_square_are_refused_unless_the_sidecar_knows_better(tmp_path):
    path = ome_zarr(tmp_path / "a.zarr", [300.0, 310.0], "micrometer")
    with pytest.raises(FormatError, match=r"raster\.pixel") as caught:
        only(path)
    assert "300 um high, 310 um wide" in str(caught.value)
    (tmp_path / "a.yaml").write_text(yaml.safe_dump({"pixel_um": 300}))
    lies_at(only(path), 300)
    lies_at(only(ome_zarr(tmp_path / "b.zarr", [300.0, 300.3], "micrometer")), 300.15)
    lies_at(only(ome_zarr(tmp_path / "c.zarr", [1.0, 2.0], "micrometer")), 300)  # no wafer anyway


@pytest.mark.parametrize("turned", [1, 6])
def test_height_and_width_are_turned_with_the_picture(tmp_path, turned):
    options = {"extratags": [(274, 3, 1, turned, True)], "resolutionunit": "CENTIMETER"}
    with open_raster(tiff(tmp_path / "a.tif", resolution=(40, 50), **options), Ingest()) as stream:
        assert stream.pixel_um == ((200, 250) if turned == 1 else (250, 200))
    path = ome_zarr(tmp_path / "a.zarr", [200.0, 250.0], "micrometer", axes="yx" if turned == 1 else "xy")
    with open_raster(path, Ingest()) as stream:
        assert stream.pixel_um == ((200, 250) if turned == 1 else (250, 200))


def test_a_pyramid_says_how_large_its_pixels_are_and_keeps_it_when_it_is_read_again(tmp_path):
    place = Workspace(tmp_path / "space")
    file = tiff(tmp_path / "a.tif", resolution=(100 / 3,) * 2, resolutionunit="CENTIMETER")
    first = pyramid(file, tmp_path / "first", place)
    again = pyramid(tmp_path / "first", tmp_path / "again", place)
    assert first["pixel_um"] == pytest.approx(300)
    assert again["pixel_um"] == pytest.approx(300)
    for name in ("first", "again"):
        lies_at(only(tmp_path / name), 300)
        for picture in library.open_group(tmp_path / name, mode="r").attrs["ome"]["multiscales"]:
            assert [axis["unit"] for axis in picture["axes"]] == ["micrometer"] * 2
            for level, dataset in enumerate(picture["datasets"]):
                assert dataset["coordinateTransformations"][0]["scale"] == pytest.approx([300 * 2**level] * 2)


def test_what_was_only_taken_does_not_come_back_as_a_fact(tmp_path):
    np.save(tmp_path / "a.npy", ONE)
    made = pyramid(tmp_path / "a.npy", tmp_path / "out", Workspace(tmp_path / "space"))
    assert made["pixel_um"] == 300
    with open_raster(tmp_path / "out", Ingest()) as stream:
        assert stream.pixel_um is None


@pytest.mark.parametrize(
    ("unit", "um"), [("µm", 1), ("\u03bcm", 1), ("Micrometer", 1), ("m", 1e6), ("MM", 1e3), ("pixel", None), ("", None)]
)
def test_units(unit, um):
    assert um_of(1.0, unit) == um


def test_a_damaged_resolution_never_costs_the_picture(tmp_path):
    path = tiff(tmp_path / "a.tif", resolution=(100 / 3,) * 2, resolutionunit="CENTIMETER")
    with tifffile.TiffFile(path) as file:
        tags = [file.pages[0].tags[code].offset for code in (282, 283, 296)]
    whole = path.read_bytes()
    for tag in tags:
        for place in range(2, 12):
            for value in (0, 1, 5, 17, 255):
                damaged = bytearray(whole)
                damaged[tag + place] = value
                path.write_bytes(damaged)
                try:
                    found = only(path)
                except FormatError as error:  # one side of the pixel is another now
                    assert error.reason.code == "raster.pixel"  # noqa: PT017 - most of them are read
                else:
                    assert found.map.defects == 1
