"""Symmetries, nuisances and operations on signatures in source space, chosen per class by policy.

- ``nuisances``: what may happen to any wafer, whatever its class
- ``turns``: symmetries, of points and of die maps
- ``background``: what a product's normal wafers show, fitted
- ``signature``: which of a wafer's defects stand out from that background
- ``recombination``: new examples from the signatures of real wafers
- ``donors``: the real wafers they are made of
- ``policy``: who draws what
"""
