"""Cameras and pictures of meshes, without a display."""
