"""What training costs: memory tracked tensor by tensor, on real tensors or on tensors without numbers, and its lower bounds."""
