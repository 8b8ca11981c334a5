"""The regression gate: fresh records against those of reference, and what makes records the reference."""
