"""Landing, physical checks per wafer, expectations per lot, quarantine."""
