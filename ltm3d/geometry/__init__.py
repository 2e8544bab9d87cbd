"""Meshes in numpy: clean, normalise, sample, measure distance, extract."""
