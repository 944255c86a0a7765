"""Helpers of the tests: tiny parts, corpora, results and faults."""
