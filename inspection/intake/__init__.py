"""Landing, physical checks per wafer, expectations per lot, quarantine.

==============  ========================================================================================================================
``place``       what a landing place gives; ``search`` is the one on a disk, ``remote`` the one behind a URL (``listing`` says what
                lies there, ``url_faults`` what is wrong with it)
``content``     what a file of a name could be, what belongs together, and the identity of a content
``landing``     claims what arrived: ``claiming`` one file into the ``archive``; ``endmarks`` tells what is still being written
``parsing``     reads one claimed file: its canonical shard, its rows or the reason; ``workers`` many files at once
``ingest``      gives every claimed file its outcome in the store, or to ``quarantine``
``physics``     what a wafer must obey: its units, points and dies (``physics_units``, ``physics_points``, ``physics_dies``)
``labels``      the label table beside the files; ``relabel`` puts it onto the store
``lots``        which lots and days are new, and their results. ``lot_tables`` and ``day_table`` make what is looked at,
                ``history`` the limits from ``earlier`` lots, ``suites`` what is expected, ``expectations`` runs it, ``docs`` keeps
                its pages off the network, ``docs_index`` is their first page
==============  ========================================================================================================================
"""
