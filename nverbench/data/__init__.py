"""From files to labelled clips and folds: decoding, corpora, cross-validation splits, downloads,
audits.
"""
