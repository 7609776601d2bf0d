"""Die maps: a pass or fail, or a bin, for each die.

=================  =========================================================================================
``archive``        our ``.npz`` of many die maps
``sinf``           SINF; ``cells`` (rows of bin codes) and ``frame`` (to the wafer frame) serve the SEMI readers too
``semi_g85``       SEMI G85 XML, through ``semi_xml``
``semi_e142``      SEMI E142 XML, through ``semi_xml``; ``semi_e142_places`` (dies by coordinates)
``stdf``           STDF V4 wafer sort: ``stdf_records`` (bytes), ``stdf_wafer`` (dies of one wafer)
``mixedwm38``      the published MixedWM38 arrays; ``npz_arrays`` reads both archives, without pickles
``wm811k_pickle``  the original LSWMD.pkl, unpickled by ``wm811k_child`` in a process of its own, with ``wm811k_stand_ins``
=================  =========================================================================================
"""
