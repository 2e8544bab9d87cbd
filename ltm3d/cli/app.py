"""`ltm3d`: the commands together, and how their errors are shown. Each command imports what it needs when it runs."""

import os
import sys
from typing import Annotated

import typer

import ltm3d
from ltm3d.cli.code import code
from ltm3d.cli.compare import compare
from ltm3d.cli.demo import demo, serve
from ltm3d.cli.doctor import doctor
from ltm3d.cli.evaluate import evaluate
from ltm3d.cli.export import export
from ltm3d.cli.gc import gc
from ltm3d.cli.generate import generate
from ltm3d.cli.inspect import inspect
from ltm3d.cli.models import models
from ltm3d.cli.plan import plan
from ltm3d.cli.promote import promote
from ltm3d.cli.restore import restore
from ltm3d.cli.results import results
from ltm3d.cli.tokens import tokens
from ltm3d.cli.versions import versions
from ltm3d.errors import AssetError, Ltm3dError
from ltm3d.utf8 import use_utf8

# Two OpenMP threads on two shared cores spin against each other; telemetry is off.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "RAY_USAGE_STATS_ENABLED": "0",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
}

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    generate,
    demo,
    serve,
    evaluate,
    export,
    compare,
    inspect,
    promote,
    restore,
    gc,
    results,
    versions,
    models,
    plan,
    doctor,
):
    app.command()(command)
app.add_typer(tokens, name="tokens")
app.add_typer(code, name="code")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"ltm3d {ltm3d.__version__}")
        raise typer.Exit


@app.callback()
def before(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Generate 3D shapes from pictures and texts, and look after the pipeline that trains the models."""
    del version


def main(arguments: list[str] | None = None) -> None:
    """Run one command; what a user can mend is one line on stderr and exit code 1."""
    if arguments is None:
        use_utf8()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    try:
        app(args=arguments)
    except (Ltm3dError, AssetError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
