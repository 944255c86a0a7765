"""Embeddings of clips: keys, cache, decoding ahead, the forward pass, weights."""
