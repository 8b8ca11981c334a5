"""From a loss to a gradient."""
