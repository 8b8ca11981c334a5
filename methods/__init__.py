"""How a model is fine-tuned: six slots, one value each. Knows no task."""
