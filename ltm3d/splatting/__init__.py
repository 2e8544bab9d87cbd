"""3D Gaussians: record, files, rasterisers and fitting to pictures."""
