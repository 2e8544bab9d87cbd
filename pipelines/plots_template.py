"""Let `dvc plots show` work without a network: the scripts of its page come out of the package vl-convert-python.

`make setup` runs it. DVC's own page names scripts on a server that delivers packages.
"""

import logging
import subprocess
import sys
from pathlib import Path

from ltm3d.errors import ConfigError
from pipelines import _stage

logger = logging.getLogger(__name__)

TEMPLATE = Path(".dvc/tmp/plots.html")
VEGA_LITE = "v5.21"  # of DVC's plots
PAGE = """<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Plots</title>
<script>VEGA</script>
</head>
<body>
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the page with Vega, Vega-Lite and Vega-Embed in it, and name it in this checkout's own configuration.

    Raises:
        ConfigError: here is no checkout.
    """
    import vl_convert

    if not TEMPLATE.parent.parent.is_dir():
        raise ConfigError(f"{Path.cwd()} has no folder .dvc: run this in a checkout of the project")
    scripts = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", VEGA_LITE).replace("</script", "<\\/script")
    TEMPLATE.parent.mkdir(exist_ok=True)
    TEMPLATE.write_text(PAGE.replace("VEGA", scripts), encoding="utf-8")
    name = TEMPLATE.relative_to(".dvc").as_posix()
    subprocess.run([sys.executable, "-m", "dvc", "config", "--local", "plots.html_template", name], check=True)
    logger.info("%s: `dvc plots show` needs no network", TEMPLATE)


if __name__ == "__main__":
    _stage.run(main)
