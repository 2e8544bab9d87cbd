"""Write each stage's import closure into dvc.yaml as its code dependencies: `make deps`."""

import textwrap

import yaml
from imports import REPOSITORY, suggested_dependencies

DVC_YAML = REPOSITORY / "dvc.yaml"
WIDTH = 119


def update(text: str) -> str:
    """Give dvc.yaml's text with the code dependencies of every stage made anew; data dependencies stay."""
    for name, stage in yaml.safe_load(text)["stages"].items():
        data = [_quoted(dep) for dep in stage["deps"] if dep.startswith("data/")]
        groups = [group for group in (data, suggested_dependencies(f"pipelines.{name}")) if group]
        lists = [
            textwrap.fill(", ".join(group), WIDTH - 7, break_long_words=False, break_on_hyphens=False)
            for group in groups
        ]
        block = textwrap.indent(",\n".join(lists), " " * 7)
        start = text.index("deps:\n", text.index(f"\n  {name}:\n"))
        end = text.index("]", start) + 1
        text = f"{text[:start]}deps:\n      [{block.lstrip()}]{text[end:]}"
    return text


def _quoted(path: str) -> str:
    return f'"{path}"' if "{" in path else path


if __name__ == "__main__":
    DVC_YAML.write_text(update(DVC_YAML.read_text()))
