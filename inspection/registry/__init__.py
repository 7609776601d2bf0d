"""MLflow: log, gate, review, promote, audit. The only importer of MLflow.

=============  =========================================================================================================================
``tracking``   the registry: one version per bundle, its aliases and tags; ``runs`` logs what a version is made of
``live``       the curves of a training while it lasts
``gate``       whether a candidate may become champion
``promotion``  makes a version the champion, with the reason in the audit log
``serving``    the model as MLflow's own tools load it
=============  =========================================================================================================================
"""
