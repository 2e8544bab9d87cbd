import pytest

from ltm3d.training.launch import TrainingResult


@pytest.fixture(scope="session")
def undisturbed(small_ray: None, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """A run nobody disturbs; what it trained on is in `reads` beside its weights."""
    from ray_runs import train_toy

    folder = tmp_path_factory.mktemp("undisturbed")
    return train_toy(folder, reads=folder / "reads")
