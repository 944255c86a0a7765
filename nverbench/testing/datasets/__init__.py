"""Conformance rules of datasets."""
