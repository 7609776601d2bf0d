"""Frozen snapshots of files and labels, the lot-disjoint split, balance, and the DVC project that runs on them.

===============  =======================================================================================================================
``snapshot``     freezes the labelled wafers of the store, and reads back what was frozen
``materialise``  writes the snapshot's wafers as one shard, for all later stages
``parts``        the split as a file: ``split`` plans it from ``groups`` (lots, blocks of rows) by ``assignment``
``leakage``      refuses a split in which a lot or a map is on two sides
``balance``      how often each training wafer is drawn; ``batches`` in which order, so that every batch holds its share of each class
``project``      the workspace as a DVC project; ``subprocesses`` locks it and stops its processes
===============  =======================================================================================================================
"""
