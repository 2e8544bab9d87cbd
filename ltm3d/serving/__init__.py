"""The model as others load it, and the pages that show shapes."""

from pathlib import Path

ASSETS = Path(__file__).with_name("assets")  # templates, styles and scripts of the pages
