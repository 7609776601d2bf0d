"""The published networks: what they were, on views of any size and number of channels.

=================  ================================================================
``classic``        mlp, lenet5, alexnet, vgg16, vgg19
``inception``      googlenet
``applications``   those of keras.applications
``layers``         what Keras lacks of them
=================  ================================================================

Each ends in its published features; logits take the place of its softmax. Weights start at random.
"""
