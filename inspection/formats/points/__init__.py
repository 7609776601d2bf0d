"""Point lists in tables, one row per defect.

================  ==========================================================================================
``table``         the reader: ``source`` (which file it is), ``dialect`` of a text, ``csv`` and ``parquet`` (rows)
``columns``       which column says what; ``sidecar`` holds the mapping beside a file
``groups``        which rows are one wafer; ``facts`` and ``attributes`` (what is said of it), ``frame`` (to the wafer
                  frame), ``rows`` and ``wafers`` (its map)
================  ==========================================================================================
"""
