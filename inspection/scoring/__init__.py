"""The bundle, the warm predictor, calibration, the unknown detector, the decision rule."""
