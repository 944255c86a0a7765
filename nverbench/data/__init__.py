"""Labelled clips and folds from files: decoding, corpora, cross-validation splits, downloads,
audits.
"""
