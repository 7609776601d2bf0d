"""What a wafer map must obey to be a wafer at all. Pure: no file, no store, no history.

The second line of defence, after the reader and before the expectations of a lot; for a product without history the last
one. A partial map, a map without a defect and a map with some repeated points are valid; what is odd but survivable
becomes a note.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspection.intake.physics_dies import check_die_list, check_die_map
from inspection.intake.physics_points import check_points
from inspection.intake.physics_units import check_diameter, check_pitch
from inspection.wafer.maps import DieMap, ImageMap

if TYPE_CHECKING:
    from inspection.params import Validate
    from inspection.wafer.maps import InspectionMap


ONE_GREY = "the image is one grey value throughout"


def check(wafer_map: InspectionMap, params: Validate) -> tuple[str, ...]:
    """Refuse what no wafer can be, and say what is odd.

    Parameters
    ----------
    wafer_map : DefectMap, DieMap or ImageMap
        An image is of no wafer that can be measured: only one grey value throughout is noted.
    params : Validate
        ``edge_tolerance_um`` and ``max_outside_share``.

    Returns
    -------
    tuple of str
        Notes; empty for a map without oddities.

    Raises
    ------
    PhysicsError
        Each fault under its own code:

        =====================  =======================================================================================
        ``wafer.diameter``     outside 10 to 1000 mm
        ``wafer.unit``         diameter, pitch, points or die map are right when read in a unit 1000 times larger or
                               smaller; the reason names the factor
        ``wafer.frame``        the points fit the wafer when counted from its lower-left corner
        ``wafer.orientation``  points fit the dies they name, or the inspected dies, or the die map its pitch, only when
                               turned or mirrored
        ``wafer.pitch``        not above 0, or larger than the wafer
        ``wafer.origin``       not finite
        ``wafer.coordinates``  not finite, or not of shape (n, 2)
        ``wafer.columns``      columns of unequal length
        ``wafer.outside``      more than ``max_outside_share`` of the points off the wafer
        ``wafer.repeated``     one row makes up more than half of the map
        ``wafer.dies``         die indices not of shape (m, 2)
        ``wafer.dies_outside`` more than ``max_outside_share`` of the inspected dies off the wafer
        ``wafer.die_area``     more die area than the wafer has
        ``wafer.die_extent``   a die map wider than its wafer
        ``wafer.die_map``      an empty die map, or no uint8
        ``wafer.die_status``   a status above 2
        ``wafer.no_die``       a die map without a die
        =====================  =======================================================================================
    """
    if isinstance(wafer_map, ImageMap):
        return (ONE_GREY,) if (wafer_map.planes == wafer_map.planes.flat[0]).all() else ()
    check_diameter(wafer_map.info)
    check_pitch(wafer_map.info, wafer_map.pitch_um)
    if isinstance(wafer_map, DieMap):
        return check_die_map(wafer_map, params)
    return (*check_points(wafer_map, params), *check_die_list(wafer_map, params))
