"""What a run was and what it gave, in MLflow: parameters, metrics, data sets and files."""
