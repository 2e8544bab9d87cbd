"""Run data stages one after the other in this process: `python run_data_stages.py download clean_meshes …`."""

import importlib
import sys

from pipelines import _stage

if __name__ == "__main__":
    _stage.set_up_logging()
    for stage in sys.argv[1:]:
        name, _, item = stage.partition("@")
        main = importlib.import_module(f"pipelines.{name}").main
        main(item) if item else main()
