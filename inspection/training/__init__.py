"""Input pipeline, balance, losses, schedules, fit and resume."""
