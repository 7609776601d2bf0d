"""The job ledger, the batcher and the worker."""
