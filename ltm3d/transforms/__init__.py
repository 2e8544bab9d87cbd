"""What Ray Data maps over shards, and the isolation of native code."""
