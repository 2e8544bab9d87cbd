"""Metrics of evaluation protocol eval/v1: pure functions on arrays."""
