"""Symmetries and nuisances in source space, chosen per class by policy."""
