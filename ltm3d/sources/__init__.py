"""Where objects come from, one file a source."""
