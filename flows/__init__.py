"""Prefect flows: order, schedules, retries and concurrency of the stages, nothing else."""
