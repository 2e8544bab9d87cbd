"""The model as others load it, and the pages that show shapes."""
