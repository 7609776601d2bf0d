"""Landing, physical checks per wafer, expectations per lot, quarantine.

===========  ===========================================================================================================================
``landing``  claims what arrived; ``search`` finds it and tells what is still being written
``ingest``   gives every claimed file its outcome: a canonical shard, or ``quarantine``
``physics``  what a wafer must obey: its units, points and dies (``physics_units``, ``physics_points``, ``physics_dies``)
``labels``   the label table beside the files; ``relabel`` puts it onto the store
``lots``     which lots and days are new, and their results. ``lot_tables`` and ``day_table`` make what is looked at, ``history`` the
             limits from ``earlier`` lots, ``suites`` what is expected, ``expectations`` runs it, ``docs`` keeps its pages off the network
===========  ===========================================================================================================================
"""
