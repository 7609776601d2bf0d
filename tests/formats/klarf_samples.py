"""Small KLARF files for the tests of this folder, written token by token."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from inspection.wafer.maps import DefectMap, DieMap

if TYPE_CHECKING:
    from inspection.wafer.maps import SourceWafer

HEADER = """FileVersion 1 2;
FileTimestamp 02-03-24 04:05:06;
InspectionStationID "maker" "model" "TOOL7";
SampleType WAFER;
ResultTimestamp 02-03-24 04:05:06;
LotID "L1";
SampleSize 1 200;
DeviceID "product";
SetupID "recipe" 01-01-24 00:00:00;
StepID "M1";
SampleOrientationMarkType NOTCH;
OrientationMarkLocation {mark};
DiePitch 5000.5 4000.25;
DieOrigin 0.0 0.0;
"""
WAFER = """WaferID "{wafer}";
Slot {slot};
SampleCenterLocation 2500 2000;
ClassLookup 2
 0 "none; really"
 1 "particle";
InspectionTest 1;
SampleTestPlan 3
 0 0
 1 0
 -1 2;
AreaPerTest 6.0e+7;
DefectRecordSpec {count} {names} ;
DefectList
{rows};
SummarySpec 3 TESTNO NDEFECT DEFDENSITY ;
SummaryList
 1 {defects} {density};
"""
NAMES = "DEFECTID XREL YREL XINDEX YINDEX XSIZE YSIZE DEFECTAREA DSIZE CLASSNUMBER TEST IMAGECOUNT IMAGELIST"
ROWS = (
    "1 10.5 20.25 0 0 1 2 2.5 1.5 0 1 0 0",
    "2 4999.125 3.5 1 0 1 2 2.5 1.5 1 1 2 2 1 0 2 0",
    "3 0.001 3999 -1 2 1 2 2.5 1.5 0 1 1 1 3 0",
)


def klarf12(rows=ROWS, names=NAMES, wafers=1, mark="DOWN", extra=""):
    """A KLARF 1.2 file of ``wafers`` equal wafers."""
    text = HEADER.format(mark=mark) + extra
    for i in range(wafers):
        text += WAFER.format(
            wafer=f"W{i}",
            slot=i + 1,
            count=len(names.split()),
            names=names,
            rows="\n".join(f" {r}" for r in rows),
            defects=len(rows),
            density=len(rows) / 0.6,
        )
    return text + "EndOfFile;\n"


KLARF18 = """Record FileRecord "1.8"
{
  Record LotRecord "L1"
  {
    Record WaferRecord "W0"
    {
      Field SampleCenterLocation 2 {2500000, 2000000}
      Field SlotNumber 1 {1}
      List DefectList
      {
        Columns 13 { int32 DEFECTID, int32 XREL, int32 YREL, int32 XINDEX, int32 YINDEX, int32 XSIZE, int32 YSIZE,
        float DEFECTAREA, int32 DSIZE, int32 CLASSNUMBER, int32 TEST, int32 IMAGECOUNT, ImageList IMAGEINFO }
        Data 3
        {
          1 10500 20250 0 0 1000 2000 2500000 1500 0 1 0 N;
          2 4999125 3500 1 0 1000 2000 2500000 1500 1 1 2 Images 2 { "a;}.jpg" "JPG" 1 "x", "b.jpg" "JPG" 1 "y" };
          3 1 3999000 -1 2 1000 2000 2500000 1500 0 1 1 Images 1 { "c.jpg" "JPG" 1 "x" };
        }
      }
      Record TestRecord "1"
      {
        Field AreaPerTest 1 {6.0e+13}
        List SampleTestPlanList { Columns 2 { int32 XINDEX, int32 YINDEX } Data 3 { 0 0; 1 0; -1 2; } }
      }
      Record SummaryRecord
      {
        List TestSummaryList { Columns 3 { int32 TESTNO, int32 NDEFECT, float DEFDENSITY } Data 1 { 1 3 5; } }
      }
    }
    Field DeviceID 1 {"product"}
    Field DiePitch 2 {5000500, 4000250}
    Field InspectionStationID 3 {"maker", "model", "TOOL7"}
    Field OrientationMarkLocation 1 {0}
    Field RecipeID 3 {"recipe", "01-01-2024", "00:00:00"}
    Field ResultTimestamp 2 {"2024-02-03", "04:05:06"}
    Field SampleSize 2 {200000000, 0}
    Field StepID 1 {"M1"}
  }
  Field FileTimestamp 2 {"2024-02-03", "04:05:06"}
}
EndOfFile;
"""


def same(one: SourceWafer, other: SourceWafer) -> bool:
    """Whether two wafers are equal in every value and dtype."""
    a, b = one.map, other.map
    head = (one.index, one.row, one.label, one.notes, a.info, a.pitch_um, type(a))
    if head != (other.index, other.row, other.label, other.notes, b.info, b.pitch_um, type(b)):
        return False
    if isinstance(a, DieMap) and isinstance(b, DieMap):
        return identical(a.status, b.status)
    assert isinstance(a, DefectMap)
    assert isinstance(b, DefectMap)
    return (
        a.origin_um == b.origin_um
        and identical(a.xy_um, b.xy_um)
        and ((a.dies is None and b.dies is None) or (a.dies is not None and b.dies is not None and identical(a.dies, b.dies)))
        and list(a.attributes) == list(b.attributes)
        and all(identical(a.attributes[n], b.attributes[n]) for n in a.attributes)
    )


def identical(a, b) -> bool:
    """Same dtype, shape and values, NaN being equal to NaN."""
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
