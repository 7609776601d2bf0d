"""MLflow: log, gate, review, promote, audit. The only importer of MLflow."""
