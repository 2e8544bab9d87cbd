"""Options that say which model is meant, alike for every command."""

from typing import Annotated, Literal

import typer

from ltm3d.errors import ConfigError

Representation = Annotated[
    Literal["sdf", "point_cloud", "mesh", "gaussians"], typer.Option(help="What the model makes.")
]
Name = Annotated[str, typer.Option(help="The name that the recipe gave its models, e.g. mychairs.")]
Model = Annotated[
    str | None,
    typer.Option(
        help="models:/NAME@ALIAS, models:/NAME/VERSION, or a folder.",
        show_default="the champion of --name and --representation",
    ),
]


def chosen_model(model: str | None, name: str, representation: str) -> str:
    """Return the address that the options name.

    Raises:
        ConfigError: both an address and a name, or a name that no registry takes.
    """
    from ltm3d.registry.names import champion_of

    if model is None:
        return champion_of(representation, name)
    if name:
        raise ConfigError(f"--model {model} and --name {name}: give one of them")
    return model
