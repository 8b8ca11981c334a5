"""Which weights exist and which move now."""
