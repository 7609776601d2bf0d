"""Landing, physical checks per wafer, expectations per lot, quarantine.

===========  ===========================================================================================================================
``landing``  claims what arrived; ``search`` finds it and tells what is still being written
``ingest``   gives every claimed file its outcome: a canonical shard, or ``quarantine``
``physics``  what a wafer must obey
``labels``   the label table beside the files; ``relabel`` puts it onto the store
``lots``     which lots are new; ``expectations`` checks them, ``docs`` keeps its pages off the network
===========  ===========================================================================================================================
"""
