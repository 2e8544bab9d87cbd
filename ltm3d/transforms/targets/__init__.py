"""The kinds of training target, one a file."""
