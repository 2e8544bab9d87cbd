"""What a run was and what it gave, in MLflow: runs, figures, files, model versions."""
