"""Frozen snapshots of files and labels, the wafer index, the lot-disjoint split."""
