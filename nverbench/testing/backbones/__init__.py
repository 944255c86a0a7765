"""Conformance rules of backbones."""
