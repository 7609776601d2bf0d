"""The one renderer from a map to what a model sees; pyramid and detail tiles; pictures for people.

============  ==========================================================================================================================
``renderer``  a map as the picture that a model sees; training and serving call the same function
``tiles``     detail tiles, cut where the defects are
``shards``    packed views on disk
``pyramid``   sum and max levels: downsampling that loses no defect
``picture``   wafer pictures for people; no model sees them; ``overlay``: with a heat map over them
============  ==========================================================================================================================
"""
