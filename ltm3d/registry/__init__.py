"""Model versions in MLflow: registered with what they were made of, gated, promoted, restored, and fetched again."""
