"""A folder in which data stages run as processes of their own, as under dvc."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PARAMS: dict[str, Any] = {
    "recipe": "test",
    "overrides": [],
    "seed": 3,
    "targets": ["sdf"],
    "representations": ["sdf"],
    "sources": [{"kind": "procedural", "num_objects": 28, "seed": 3}],
    "download": {"num_shards": 4},
    "clean_meshes": {"val_fraction": 0.25, "test_fraction": 0.25},
    "encode_conditions": {},
    "render_views": {"views": {"num_views": 2, "resolution": 32}},
    "build_targets": {"sdf": {"target": {"num_surface": 256, "num_volume": 256, "num_near": 256}}},
    "resources": {"num_workers": 2, "use_gpu": False, "tracking_uri": "sqlite:///mlflow.db"},
}


@dataclass(frozen=True)
class Checkout:
    """A folder with a params.yaml in which stages run as processes of their own."""

    folder: Path
    repository: Path

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def set_params(self, **changes: Any) -> None:
        (self.folder / "params.yaml").write_text(yaml.safe_dump(PARAMS | changes))

    def start(self, *stages: str) -> subprocess.Popen[str]:
        program = self.repository / "tests/support/run_data_stages.py"
        path = os.pathsep.join([str(self.repository), str(program.parent)])
        return subprocess.Popen(
            [sys.executable, str(program), *stages], cwd=self.folder, env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, *stages: str) -> str:
        """Run stages to their end; give what they logged."""
        process = self.start(*stages)
        try:
            log, _ = process.communicate(timeout=550)
        finally:
            process.kill()
        assert process.returncode == 0, log
        return log

    def files(self) -> dict[str, bytes]:
        """Read every file that a stage hands on."""
        return {
            str(path.relative_to(self.data)): path.read_bytes()
            for path in sorted(self.data.rglob("*"))
            if path.is_file() and self.data / "runs" not in path.parents
        }
