"""Confusion matrices, thresholds, intervals and the report that people look at."""
