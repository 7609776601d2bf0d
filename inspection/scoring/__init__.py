"""The bundle, the warm predictor, calibration, the unknown detector, the decision rule.

=============  =========================================================================================================================
``bundle``     the model as plain files with their sha256
``predictor``  a bundle, loaded and warm
``decision``   from probabilities to a class, Unknown or Review; ``calibration`` and ``unknown`` come before it
``files``      scores files outside the pipeline into a table
=============  =========================================================================================================================
"""
