"""One training loop for every model: Ray Train and DeepSpeed, or plain torch."""
