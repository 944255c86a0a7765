"""Scores, intervals and tests in numpy. Imports nothing of nverbench but its errors."""
