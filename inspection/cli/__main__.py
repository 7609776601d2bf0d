"""``python -m inspection.cli``."""

from inspection.cli import main

main()
