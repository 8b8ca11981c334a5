"""The papers' hyper-parameters at each scale, as values."""
