"""Frozen values: the wafer frame, defect and die maps, the taxonomy. No file, no pixel of a picture, no engine."""
