"""The params.yaml of a checkout whose only stage is a test's own."""

PARAMS = """
recipe: smoke
seed: 5
targets: [sdf]
representations: [sdf]
resources: {num_workers: 2, use_gpu: false, tracking_uri: "sqlite:///mlflow.db"}
"""
