"""Shards: deterministic, committed folders of arrays, and the ledger of what became of each asset."""
