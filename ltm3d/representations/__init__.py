"""Mesh → training target, one file a representation."""
