"""Image and text prompts to condition tokens. The only user of transformers."""
