"""Which examples form the batch."""
