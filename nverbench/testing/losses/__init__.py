"""Conformance rules of losses."""
