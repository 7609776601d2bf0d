"""Inspection images: any raster whose grey values are what is looked at, and not a sparse map of defects.

==========  =======================================================================================
``sidecar``  says of a raster that it is an image, and what is known of it
``reader``   the image in grey, at a bounded size
``levels``   pixels of any type to grey values of 8 bits
==========  =======================================================================================
"""
