"""Memory at true sizes: cases of model, recipe and setting, simulated once and kept, shown beside the papers' numbers."""
