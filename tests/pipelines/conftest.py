import pytest
from checkout import Checkout

STAGES = ("download", "clean_meshes", "render_views", "build_targets@sdf")


@pytest.fixture(scope="session")
def checkout(tmp_path_factory, repository) -> Checkout:
    """An empty checkout of the data stages."""
    checkout = Checkout(tmp_path_factory.mktemp("data_stages"), repository)
    checkout.set_params()
    return checkout


@pytest.fixture(scope="session")
def data_log(checkout) -> str:
    """What the four data stages logged when they ran for the first time; their files are in `checkout`."""
    return checkout.run(*STAGES)
