"""What stages depend on beside data and settings, as small files that DVC compares → data/inputs.

`code/STAGE` is the digest of a stage's code, `sources` that of the list of files which the recipe's sources read,
`registry/R` changes where the registry lacks the version that a receipt names. It runs at each `dvc repro` and starts
nothing itself.
"""

import shutil

from ltm3d.freshness.stage_code import CACHE_FILE, ROOT, CodeReader
from ltm3d.freshness.stages import WITHOUT_RESULTS, read_stages, stage_labels
from ltm3d.registry.receipt import registry_mark
from ltm3d.sources.kinds import build_sources
from ltm3d.sources.listing import listing_digest
from pipelines import _stage
from pipelines._params import load_params


def main() -> None:
    """Write the digests anew."""
    params, data = load_params(), _stage.data_folder()
    (data / "runs").mkdir(parents=True, exist_ok=True)
    code = data / "inputs" / "code"
    shutil.rmtree(code, ignore_errors=True)
    code.mkdir(parents=True)
    reader = CodeReader(cache=data / "runs" / CACHE_FILE)
    for label, (name, item) in stage_labels(read_stages(ROOT), params.raw).items():
        if name not in WITHOUT_RESULTS:
            (code / label).write_text(f"{reader.of(name, item=item, kinds=params.source_kinds).oldest}\n")
    reader.save()
    inputs = [path for source in build_sources(params.raw["sources"]) for path in source.inputs()]
    (data / "inputs" / "sources").write_text(f"{listing_digest(inputs)}\n")
    registry = data / "inputs" / "registry"
    registry.mkdir(exist_ok=True)
    tracking_uri = _stage.read_resources(params)[1]
    for representation in params.representations:
        mark, receipt = registry / representation, data / "receipts" / f"{representation}.json"
        before = mark.read_text(encoding="utf-8") if mark.is_file() else "\n"
        mark.write_text(registry_mark(receipt, before.strip(), tracking_uri) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _stage.run(main)
