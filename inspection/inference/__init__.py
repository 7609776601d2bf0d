"""The job ledger, the batcher and the worker.

============  ==========================================================================================================================
``worker``    claims, scores and stores; start here. ``signals`` stop it
``prefetch``  claims, reads and renders the next batch beside it
``ledger``    what must be scored, who is at it, what came of it; ``leases`` keeps what one worker holds
``scorer``    what a worker asks of a model, and the swap to a new champion; ``batching`` plans its static batches
``shards``    reads the wafers of a claim
``metrics``   what Prometheus sees of a worker
============  ==========================================================================================================================
"""
