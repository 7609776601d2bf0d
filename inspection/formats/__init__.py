"""One module per file format and one table that recognises them by content.

=====================  =================================================================================
``table``              which reader a file belongs to; start here
``klarf1``             KLARF 1.0 to 1.2, line records: ``klarf_tokens`` (records), ``klarf_lists``,
                       ``klarf_columns`` and ``klarf_images`` (defect rows and their image lists)
``klarf18``            KLARF 1.8, nested records: ``klarf18_tree`` (nesting), ``klarf18_list`` (defect rows)
``klarf_header``       identity, time and geometry; ``klarf_frame`` brings places to the wafer frame,
                       ``klarf_summary`` holds what a file declares against what it contains
``klarf_writer``       writes both families, from ``klarf_rows``
``diemap_archive``     ``.npz`` of many die maps
``raster``             pixels with a YAML sidecar (``raster_sidecar``), as a stream of strips (``raster_stream``) of any
                       of ``raster_kinds``: ``raster_npy``, ``raster_raw`` (both ``raster_plain``), ``raster_tiff``
                       (``raster_tiff_tags``, ``raster_tiff_codecs``), ``raster_picture`` (PNG and JPEG: ``png_blocks``,
                       ``png_rows``, ``jpeg_markers``), ``raster_zarr``
                       (``zarr_store``, ``zarr_metadata``, ``zarr_array``, ``zarr_codecs``); TIFF and zarr in pieces
                       (``raster_segments``)
``canonical``          our own Parquet shard of wafers of any source (``canonical_rows``)
=====================  =================================================================================
"""
