"""From clips to embeddings: keys, cache, decoding ahead, the forward pass, weights."""
