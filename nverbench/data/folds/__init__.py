"""Cross-validation folds: how clips are assigned, balanced and held back for validation."""
