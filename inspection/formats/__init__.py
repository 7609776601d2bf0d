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
``sinf``               SINF die map: ``diemap_cells`` (rows of bin codes), ``diemap_frame`` (to the wafer frame)
``semi_g85``           SEMI G85 XML die map, through ``semi_xml``
``semi_e142``          SEMI E142 XML substrate map, through ``semi_xml``; ``semi_e142_places`` (dies by coordinates)
``stdf``               STDF V4 wafer sort: ``stdf_records`` (bytes), ``stdf_wafer`` (dies of one wafer)
``compressed``         gzip and zstd around any of them
``mixedwm38``          the published MixedWM38 arrays; ``npz_arrays`` reads both archives, without pickles
``wm811k_pickle``      the original LSWMD.pkl, unpickled by ``wm811k_child`` in a process of its own, with ``wm811k_stand_ins``
``points_table``       CSV and Parquet, one row per defect: ``points_columns`` (names), ``points_sidecar``, ``points_csv`` and
                       ``points_parquet`` (rows), ``points_groups`` (which wafer), ``points_wafers`` (maps)
``canonical``          our own Parquet shard of wafers of any source (``canonical_rows``)
=====================  =================================================================================
"""
