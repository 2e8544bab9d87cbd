"""What lies in deploy/: valid by the tools' own rules, pinned, without a credential and without a registry's name."""

import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from imports import REPOSITORY

from pipelines.compose import compose

DEPLOY = REPOSITORY / "deploy"
FILES = sorted(path for path in DEPLOY.rglob("*") if path.is_file())
SECRET = re.compile(r"(?i)(password|secret\w*|token|_key)\s*[:=]\s*[\"']?(?!\$|/|~|token\b)[\w+/=-]{6,}")


def read(name: str) -> Any:
    return yaml.safe_load((DEPLOY / name).read_text())


@pytest.mark.parametrize("name", ["Dockerfile", "mlflow/Dockerfile"])
def test_the_images_pass_the_linter(name: str) -> None:
    """Only that: no engine runs here, so they were not built."""
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, DEPLOY / name], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_cluster_file_is_valid_by_ray_itself() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = read("ray-cluster.yaml")
    validate_config(prepare_config(config))  # against autoscaler/ray-schema.json
    with pytest.raises(Exception, match="mistyped"):
        validate_config(prepare_config({**config, "mistyped": 1}))
    commands = config["head_start_ray_commands"][-1]
    assert "--dashboard-host=127.0.0.1" in commands
    starts = [commands, config["worker_start_ray_commands"][-1]]
    assert all("RAY_AUTH_MODE=token ray start" in command for command in starts)


def test_kuberay_offers_what_the_cluster_recipe_asks_for() -> None:
    spec = read("kuberay/rayjob.yaml")["spec"]["rayClusterSpec"]
    resources = compose("demo", ("resources=cluster",))["resources"]
    (group,) = spec["workerGroupSpecs"]
    limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
    assert group["replicas"] * int(limits["nvidia.com/gpu"]) == resources["num_workers"]
    assert int(limits["cpu"]) >= int(limits["nvidia.com/gpu"]) * resources["cpus_per_worker"]
    assert spec["authOptions"] == {"mode": "token"} and spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    assert spec["rayVersion"] == ray.__version__


def test_mlflow_takes_its_passwords_from_the_environment() -> None:
    services = read("mlflow/compose.yaml")["services"]
    values = [
        value
        for service in services.values()
        for name, value in service.get("environment", {}).items()
        if "PASSWORD" in name or "SECRET" in name
    ]
    assert len(values) == 5 and all(re.fullmatch(r"\$\{\w+:\?.+\}", value) for value in values)
    assert services["mlflow"]["ports"] == ["${LISTEN:-127.0.0.1}:5000:5000"]


def test_images_are_pinned_and_named_without_a_host() -> None:
    text = "\n".join(path.read_text() for path in FILES)
    images = re.findall(r"(?m)^\s*(?:image:|FROM)\s+(\S+)", text)
    assert images
    for image in images:
        assert ":" in image and not image.endswith(":latest") and "." not in image.split("/")[0].split(":")[0], image


def test_no_file_holds_a_credential() -> None:
    found = {path.name: SECRET.findall(path.read_text()) for path in FILES}
    assert not {name: matches for name, matches in found.items() if matches}


def test_what_a_job_uploads_is_small_and_has_no_data(tmp_path: Path) -> None:
    """Packed by Ray's own packer, with data beside the code."""
    from ray._private.runtime_env.packaging import create_package

    tree = tmp_path / "checkout"
    for name in (".rayignore", ".gitignore", "params.yaml", "constraints.txt"):
        tree.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, tree)
    for name in ("ltm3d", "pipelines", "conf"):
        shutil.copytree(REPOSITORY / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("data/tokens/sdf/mean.npy", "data/metrics/test_ids.txt", "mlflow.db", ".env"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(b"0" * 1000)
    package = tmp_path / "package.zip"
    create_package(str(tree), package, include_gitignore=True)
    names = zipfile.ZipFile(package).namelist()
    assert {"params.yaml", "pipelines/_stage.py", "ltm3d/errors.py"} <= set(names)
    assert not [name for name in names if name.startswith(("data/", "mlflow.db", ".env"))]
    assert package.stat().st_size < 8e6


def test_the_tests_that_the_page_names_exist() -> None:
    page = (REPOSITORY / "docs/cluster.md").read_text()
    written = {path: path.read_text() for path in (REPOSITORY / "tests").rglob("test_*.py")}
    files = re.findall(r"`(?:tests/\w+/)?(test_\w+\.py)`", page)
    starts = re.findall(r"`(test_\w+)…`", page)
    assert len(files) >= 10 and len(starts) >= 10
    assert not set(files) - {path.name for path in written}
    assert not [start for start in starts if not any(f"def {start}" in text for text in written.values())]
    assert not [path for path in re.findall(r"`(tests/[\w/.]+)`", page) if not (REPOSITORY / path).exists()]
