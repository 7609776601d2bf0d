"""The bundle, the warm predictor, calibration, the unknown detector, the decision rule.

================  ========================================================================================================================
``bundle``        the model as plain files with their sha256
``predictor``     a bundle, loaded and warm
``decision``      from probabilities to a class, Unknown or Review; ``calibration`` and ``unknown`` come before it
``combinations``  patterns that combine: the probability of each, and combinations that no training wafer had
``reference``     labelled wafers in latent space, the nearest of them, and as a file (``reference_file``); ``cells`` beyond 100 000
``localisation``  where on the wafer a network sees a class
``files``         scores files outside the pipeline into a table
================  ========================================================================================================================
"""
