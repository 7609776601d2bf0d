"""Hand-made features of a wafer: numbers with a name each, from the global view of points, die maps and rasters alike.

==================  ==========================================================================================
``extraction``      all of them at once; start here
``planes``          what they are computed from, and why from the view
``spread``          counts, regions, nearest neighbours
``zones``           density by zone, by radius, by direction
``radon``           sums along straight lines
``patterns``        local binary patterns
``gradients``       histograms of oriented gradients
``cooccurrence``    grey-level co-occurrence
``granulometry``    openings and closings of growing size
``regions``         geometry of the largest region
==================  ==========================================================================================

Each family's docstring names its columns, their units, their source, and which of them no symmetry of the square changes.
"""

from inspection.models.features.extraction import INVARIANT, NAMES, extract

__all__ = ["INVARIANT", "NAMES", "extract"]
