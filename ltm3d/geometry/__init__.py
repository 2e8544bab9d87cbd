"""Meshes in numpy: load, clean, normalise, sample, measure distance, extract, write."""
