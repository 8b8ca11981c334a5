"""From a gradient to new weights."""
