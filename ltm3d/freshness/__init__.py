"""When a stage computes anew: digests of its code, and records of changes that leave its results as they were."""
