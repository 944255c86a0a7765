"""Conformance rules of fusions."""
