"""``nverbench data``: get, add, check, audit and cut corpora."""
