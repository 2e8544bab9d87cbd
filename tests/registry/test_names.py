import pytest

from ltm3d.errors import ConfigError
from ltm3d.registry.names import champion_of, model_name


def test_a_name_stands_between_the_prefix_and_the_representation() -> None:
    assert model_name("sdf") == "ltm3d-sdf" and model_name("point_cloud", "my-chairs") == "ltm3d-my-chairs-point_cloud"
    assert champion_of("mesh", "x") == "models:/ltm3d-x-mesh@champion"


@pytest.mark.parametrize("name", ["My", "a b", "a/b", "a:b", "a@b", "-a", "a-", "ä", "a" * 61, "a\n"])
def test_what_no_address_takes_is_refused_with_the_rule(name: str) -> None:
    with pytest.raises(ConfigError, match="use 1 to 60 of a-z"):
        model_name("sdf", name)
