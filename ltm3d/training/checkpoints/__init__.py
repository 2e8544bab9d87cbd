"""Checkpoints of a run: committed whole or not at all, resumed from, swept, and exported as weights."""
