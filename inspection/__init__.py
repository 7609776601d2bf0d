"""Wafer Inspection: from a landed wafer defect map to an alert with evidence.

The rooms, from the street down to the ground; an import may only go to a room further down:

- ``cli``, ``console``: one command per stage and per daily question, and how it talks
- ``stages``: the pipeline in order, one thin function per stage
- ``monitoring``: what watches the process and the model over time
- ``inference``: the job ledger, the batcher and the worker that scores wafers
- ``alerting``: rules over plain signals, outbox, sinks, acknowledgement
- ``registry``: MLflow runs, model versions, review and promotion
- ``evaluation``: confusion, thresholds, intervals, the report
- ``training``: input pipeline, balance, losses, fit and resume
- ``scoring``: the bundle, the warm predictor, the decision rule
- ``models``: network builders, shapes in their docstrings
- ``augmentation``: operations in source space and class policies
- ``dataset``: snapshot, index, lot split
- ``views``: the one renderer from map to model input, pyramid, tiles
- ``intake``: landing, physical checks, lot expectations, quarantine
- ``simulator``: a fab that writes the true formats
- ``formats``: one module per file format, one table that recognises them
- ``store``: SQL tables
- ``wafer``: frozen values: frames, geometry, maps, taxonomy
- ``params``, ``settings``, ``errors``, ``aside``: what may be set, what may go wrong, how a file is written whole

Conventions. *Wafer frame*: micrometres, origin at the wafer centre, x right, y up, notch down.
*Image frame*: ``(row, col)``, row 0 at the top (y = +R). Arrays of images are ``(n, h, w, c)``. Times are UTC.
"""
