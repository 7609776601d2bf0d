"""KLARF, the point list of inspection tools.

================  ==========================================================================================
``klarf1``        1.0 to 1.2 and 1.7, line records: ``tokens`` (text), ``records``, ``collect`` (wafers), ``lists``,
                  ``columns`` and ``images`` (defect rows and their image lists)
``klarf18``       1.8, nested records: ``klarf18_tree`` (nesting), ``klarf18_list`` (defect rows)
``header``        identity, time and geometry; ``origin`` and ``frame`` bring places to the wafer frame, ``size`` checks its
                  diameter, ``summary`` holds what a file declares against what it contains
``rowtext``       the text of a list: short ones here, long ones by the compiled ``kernel`` (``scan``, ``stream``)
``writer``        writes both families: ``rows`` (a map's columns), ``lines12`` and ``lines18`` (one wafer), ``strings``
``returned``      a scored wafer as it goes back to the fab's tools: its class, its clusters
================  ==========================================================================================
"""
