"""What the context of a conversation contributes to a prediction."""
