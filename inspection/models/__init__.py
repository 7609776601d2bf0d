"""Networks: from LeNet-5 to EfficientNet and our own, and what can be told of one from its graph.

================  ====================================================================================
``builders``      the one table: a name, a builder; ``build`` refuses what is not in it
``network``       what every builder is given, how pixels come in, how features go out
``head``          one pattern (softmax) or patterns that combine (sigmoid)
``wafer_net``     ours: the global view and the detail tiles; the plain yardstick
``zoo``           the published ones
``symmetry``      the symmetries of the square that a taxonomy's classes share, as a group
``orbit_layers``  layers that commute with such a group: a network symmetric by construction
``anatomy``       receptive field, multiply-adds, memory, stages: all from the graph
``activation``    which places a logit comes from, exactly; ``occlusion``: roughly, of any network
``convolutional`` a patch classifier over images of any size
``layers``        layers of ours
``saved``         reads a saved network
``backend``       Keras with its backend, imported quietly
================  ====================================================================================
"""
