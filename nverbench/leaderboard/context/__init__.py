"""The contribution of a conversation's context to predictions."""
