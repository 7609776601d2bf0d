"""Rasters: pixels with a YAML sidecar, as a stream of strips of bounded size.

================  ==========================================================================================
``reader``        the wafer of a raster, with what its ``sidecar`` says; ``scan`` finds its defects
``scale``         how large a pixel is, by the sidecar or by the file itself; ``writer`` writes a raster and its sidecar
``stream``        what every kind of raster gives; ``kinds`` says which kind a file is
``npy``, ``raw``  plain bytes (``plain``), read ahead in a thread (``readahead``)
``tiff``          TIFF and BigTIFF: ``tiff_tags``, ``tiff_layout``, ``tiff_codecs``, ``tiff_description``
``zarr_raster``   zarr v2, v3 and OME-Zarr: ``zarr_store``, ``zarr_metadata``, ``zarr_axes``, ``zarr_array``, ``zarr_pipeline``,
                  ``zarr_codecs``
``turned``        where a file begins at another corner; ``spool``: pixels that wait on disk for it
``segments``      strips out of pieces (TIFF and zarr), which ``unpack`` unpacks in bounded memory
``grey``          colour to grey; ``levels``: the full picture among smaller versions of it
``picture``       PNG (``png_blocks``, ``png_rows``), JPEG (``jpeg_markers``), ``exif``; ``bmp``
================  ==========================================================================================
"""
