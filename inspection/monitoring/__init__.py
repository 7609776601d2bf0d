"""Signals over time: what an engineer watches between alerts."""
