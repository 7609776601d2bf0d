"""The page of one lot: its wafers, the stacked map, where on the wafer it differs from earlier lots, and what its bad wafers share.

================  ======================================================================================================================
``zones``         defects and inspected area of rings, sectors and reticle positions, wafer by wafer
``comparison``    the lot's zones against earlier lots: p-values that respect how lots and wafers vary, false discoveries, intervals
``commonality``   does a signature go with a tool, a chamber, a slot or a recipe?
``stacking``      all wafers of a lot in one map; ``heat_map`` draws it
``page``          the HTML page of all this; ``wording`` has its sentences, ``wheel`` its drawing of the zones
================  ======================================================================================================================

All of it is pure but ``page``, which writes the file; ``stages.lots`` reads the store and the shards.
"""
