"""A fab that writes true files: products, tools, signatures, lots, and the truth."""
