"""Which folder stays: the main checkout behind a git worktree, an experiment of DVC, or an uploaded copy."""

import os
from pathlib import Path

from ltm3d.errors import ConfigError

EXPERIMENTS = (".dvc", "tmp", "exps")  # `dvc exp run --temp` and `--queue` run below it and delete their folder
UPLOADED = "_ray_pkg_"  # how the folder begins that `ray job submit --working-dir` makes on a node


def main_checkout(folder: Path) -> Path:
    """Return the folder of the main checkout that a folder of a worktree or of a copy stands for, or the folder itself.

    Raises:
        ConfigError: it is a copy, or a worktree of a bare repository, and there is no checkout that stays.
    """
    folder = folder.absolute()
    if any(part.startswith(UPLOADED) for part in folder.parts):
        named = os.environ.get("LTM3D_DATA", "")
        owner = Path(named).absolute().parent
        if not named or not (owner / "dvc.yaml").is_file():
            raise ConfigError(
                f"{folder} is a copy that Ray deletes, and LTM3D_DATA ({named or 'not set'}) is no data/ of a checkout"
            )
        return main_checkout(owner)
    for place in range(len(folder.parts) - len(EXPERIMENTS), 0, -1):
        if folder.parts[place : place + len(EXPERIMENTS)] == EXPERIMENTS:
            return main_checkout(Path(*folder.parts[:place]))
    for top in (folder, *folder.parents):
        link = top / ".git"
        if link.is_dir():
            return folder
        if link.is_file():
            return _main_of_worktree(top, link) / folder.relative_to(top)
    return folder


def _main_of_worktree(top: Path, link: Path) -> Path:
    own = top / link.read_text().removeprefix("gitdir:").strip()
    common = own / "commondir"
    if not common.is_file():  # a submodule, or a checkout whose .git lies elsewhere
        return top
    shared = (own / common.read_text().strip()).resolve()
    if shared.name != ".git":
        raise ConfigError(f"{top} is a git worktree of {shared}, which has no main checkout")
    return shared.parent
