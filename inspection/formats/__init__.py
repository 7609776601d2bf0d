"""One module per file format and one table that recognises them by content."""
