"""File formats: one table that recognises them by content, and a reader for each.

================  ==========================================================================================
``table``         which reader a file belongs to; start here
``klarf``         point lists of inspection tools, KLARF 1.0 to 1.8, read and written
``points``        point lists in CSV and Parquet, columns mapped to ours
``diemap``        die maps: archives, SINF, SEMI G85 and E142, STDF, WM-811K and MixedWM38 as they were published
``raster``        pixels with a YAML sidecar, streamed in strips: npy, raw, TIFF, PNG, JPEG, zarr
``notch``         places turned until the notch is down
``compressed``    gzip and zstd around any of them
``sidecar``       what the YAML sidecars of points and rasters share
``canonical``     our own Parquet shard of wafers of any source (``canonical_rows``)
``sidecar_yaml``  the text of a sidecar
``spreadsheet``   names in our CSV files, so that a spreadsheet runs none of them as a formula
``sizes``         the limit every file is held against first
================  ==========================================================================================
"""
