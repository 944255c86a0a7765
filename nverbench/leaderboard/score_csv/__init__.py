"""Predictions of any system in a CSV file: read, checked and scored."""
