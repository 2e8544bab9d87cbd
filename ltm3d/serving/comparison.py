"""One page out of several galleries: the same prompts, what each model version, or representation, makes of them."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ltm3d.errors import ConfigError
from ltm3d.serving.pages import read_page_data, read_shape_script, write_pages, write_shape_script


def compare_galleries(folder: Path, galleries: Sequence[tuple[str, Path]], *, title: str) -> Path:
    """Write a gallery of galleries, each of one version, side by side, and return its page's path.

    Items are matched by object and kind of prompt; the true shape is that of the first gallery that has the item. All
    shapes of an item are of one size. A metric's change is against the first gallery.

    Args:
        galleries: name of the version → folder that `write_gallery` made.

    Raises:
        ConfigError: fewer than two galleries, or two of one name.
        DataError: a folder holds no gallery.
    """
    names = [name for name, _ in galleries]
    if len(galleries) < 2 or len(set(names)) < len(names):
        raise ConfigError(f"galleries are named {names}; give two or more, of different names")
    pages = [read_page_data(source) for _, source in galleries]
    assets = folder / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    items: dict[tuple[str, str], dict[str, Any]] = {}
    processes: list[tuple[tuple[str, str], dict[str, Any]]] = []
    for version, ((_, source), page) in enumerate(zip(galleries, pages, strict=True)):
        if len(page["versions"]) != 1:
            raise ConfigError(f"{source} is a comparison itself; give the galleries that it was made of")
        copied = _copy_assets(source / "assets", assets, f"v{version}_")
        keys = [(item["uid"], item["prompt_kind"]) for item in page["items"]]
        for key, item in zip(keys, page["items"], strict=True):
            if key not in items:
                items[key] = _without_results(item, copied)
            result = item["results"][0]
            samples = [None if sample is None else copied[sample] for sample in result["samples"]]
            items[key]["results"].append(
                {
                    "version": version,
                    "samples": samples,
                    "metrics": result.get("metrics") or result["figures"],
                    "drawn": item["magnify"],
                }
            )
            items[key]["magnify"] = min(items[key]["magnify"], item["magnify"])
        for process in page["processes"]:
            steps = [None if step is None else copied[step] for step in process["steps"]]
            processes.append((keys[process["item"]], {**process, "version": version, "steps": steps}))
    place = {key: index for index, key in enumerate(items)}
    shared = sum(len(item["results"]) == len(galleries) for item in items.values())
    data = {
        **pages[0],
        "title": title,
        "subtitle": f"{' beside '.join(names)}: {shared} prompts in common, {len(items)} in all",
        "versions": names,
        "frames": min(page["frames"] for page in pages),
        "summary": [
            {"version": name, **row} for name, page in zip(names, pages, strict=True) for row in page["summary"]
        ],
        "curves": [
            {**curve, "name": f"{name} · {curve['name']}"}
            for name, page in zip(names, pages, strict=True)
            for curve in page["curves"]
        ],
        "items": list(items.values()),
        "processes": [{**process, "item": place[key]} for key, process in processes],
        "blind": [],
    }
    return write_pages(folder, data)


def _without_results(item: dict[str, Any], copied: dict[str, str]) -> dict[str, Any]:
    prompt = item["prompt_image"] and f"assets/{copied[Path(item['prompt_image']).stem]}.png"
    return {
        **item,
        "truth": copied[item["truth"]],
        "truth_drawn": item["magnify"],
        "prompt_image": prompt,
        "results": [],
    }


def _copy_assets(source: Path, target: Path, prefix: str) -> dict[str, str]:
    """Copy shapes, their pictures and the prompts under new names; return old name → new name."""
    copied: dict[str, str] = {}
    for picture in sorted([*source.glob("shape*.webp"), *source.glob("prompt*.png")]):
        name = f"{prefix}{picture.stem}"
        shutil.copyfile(picture, target / f"{name}{picture.suffix}")
        if picture.suffix == ".webp":
            write_shape_script(target, name, read_shape_script(source, picture.stem))
        copied[picture.stem] = name
    return copied
