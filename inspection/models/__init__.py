"""Network builders: one table, one signature."""
