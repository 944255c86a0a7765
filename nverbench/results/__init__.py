"""A finished row: its record, predictions, store, published form, and MLflow."""
