"""Every table and shard between stages: fields, dtypes, shapes and units.

Letters: S surface points, E points on sharp edges, P farthest points, Q queries, V views, H W pixels, N vertices,
F faces, G Gaussians, L tokens, D channels, T condition tokens, C condition channels. A field's first axis, the asset,
is not written.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Field:
    """One array of a shard, first axis = asset.

    A ragged field has its own first-axis length for each asset; it is stored end to end,
    with an offsets table beside it.
    """

    name: str
    dtype: str
    shape: tuple[str | int, ...]
    unit: str
    ragged: bool = False


@dataclass(frozen=True, kw_only=True)
class ObjectRecord:
    """What is known of one object, whatever its source. It travels unchanged through all stages.

    Attributes:
        uid: identifier, the same in all stages; letters, digits, `-` and `_` only.
        source: the source's name (`procedural`, `objaverse`, `shapenet`, `folder`).
        main_file: the mesh file inside the asset's archive, e.g. `model.glb`.
        category: one word or a short phrase in lower case; empty if unknown.
        caption: a full English text prompt.
        split: `train`, `val` or `test` where the source has an official split, else empty.
        up, front: axes of the source's frame, one of `+x -x +y -y +z -z`.
        attributes: nameable properties (procedural source: the ones the caption may speak of).
        parameters: the numbers the object was made from (procedural source).
        fault: reason and detail where the source's row cannot be used; empty for a good one. See `sources.faults`.
    """

    uid: str
    source: str
    main_file: str
    name: str = ""
    category: str = ""
    caption: str = ""
    licence: str = ""
    attribution: str = ""
    split: str = ""
    up: str = "+y"
    front: str = "+z"
    attributes: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    fault: str = ""


SPLITS = ("train", "val", "test")

REASONS = {
    "fetch_error": "the source could not give the asset's bytes",
    "bad_row": "the source's row cannot be used: its name, its annotation, or what lies at its place",
    "parse_error": "the file is not a mesh file, or a broken one",
    "unsupported_compression": "Draco or meshopt data without a decoder installed",
    "unsupported_extension": "the file requires a glTF extension that is not read",
    "unsafe_reference": "the file's geometry lies outside its own folder",
    "no_surface": "no triangles, or triangles without area",
    "non_finite": "NaN or infinite coordinates",
    "stray_geometry": "a few vertices far away make a dot of all the others",
    "scattered": "the largest connected part is a smaller share of the surface than the recipe asks for",
    "lost_surface": "more of the surface has no inside, and so no signed distance, than the recipe allows",
    "no_inside": "less of the volume is inside than the recipe asks for",
    "too_large": "more bytes, faces or pixels than the limit",
    "timeout": "took longer than the limit",
    "out_of_memory": "took more memory than the limit",
    "crash": "native code ended the process; the signal's name follows",
    "too_complex": "not within the target's number of faces at the allowed error",
    "duplicate": "same bytes or same geometry as another asset, which is kept",
    "licence": "the licence is not among those asked for",
    "empty_decode": "the decoded field has no zero crossing",
    "failed": "an unexpected error in our own code; the detail names it",
}

UNSETTLED = ("fetch_error", "failed")  # of these another run may well mend an asset: they are tried at each
RETRIED = (
    "timeout",
    "out_of_memory",
    "crash",
)  # what a busy machine may cost an asset: tried a few times, then settled

RAW = (
    Field(name="archive", dtype="uint8", shape=("bytes",), unit="zip archive of the asset's own files", ragged=True),
)

MESHES = (
    Field(name="vertices", dtype="float32", shape=("N", 3), unit="normalised frame", ragged=True),
    Field(name="faces", dtype="int64", shape=("F", 3), unit="index of a vertex of the same asset", ragged=True),
    Field(name="vertex_colors", dtype="uint8", shape=("N", 3), unit="sRGB", ragged=True),
    Field(name="texel_levels", dtype="uint8", shape=("F",), unit="texels along a face's edge, less 1", ragged=True),
    Field(name="texels", dtype="uint8", shape=("T", 3), unit="sRGB within faces, face after face", ragged=True),
)

VIEWS = (
    Field(name="images", dtype="uint8", shape=("V", "H", "W", 4), unit="sRGB, straight alpha"),
    Field(name="depth", dtype="float16", shape=("V", "H", "W"), unit="distance along the optical axis, 0 = background"),
    Field(name="normals", dtype="int8", shape=("V", "H", "W", 3), unit="world frame, x 127"),
    Field(name="cameras", dtype="float32", shape=("V", 4, 4), unit="camera to world, OpenGL axes"),
)

_ORIENTED = "position in the normalised frame, unit normal of the face"

SDF_TARGETS = (
    Field(name="surface", dtype="float16", shape=("S", 6), unit=_ORIENTED),
    Field(name="sharp", dtype="float16", shape=("E", 6), unit=_ORIENTED),
    Field(
        name="volume",
        dtype="float16",
        shape=("Q", 4),
        unit="uniform query in [-1, 1]^3 and its distance, negative inside",
    ),
    Field(
        name="near", dtype="float16", shape=("Q", 4), unit="query near the surface and its distance, negative inside"
    ),
)

POINT_CLOUD_TARGETS = (
    Field(name="surface", dtype="float16", shape=("S", 6), unit=_ORIENTED),
    Field(name="surface_colors", dtype="uint8", shape=("S", 3), unit="sRGB"),
    Field(name="sharp", dtype="float16", shape=("E", 6), unit=_ORIENTED),
    Field(name="sharp_colors", dtype="uint8", shape=("E", 3), unit="sRGB"),
    Field(name="farthest", dtype="float16", shape=("P", 6), unit=f"{_ORIENTED}; each the farthest from those before"),
    Field(name="farthest_colors", dtype="uint8", shape=("P", 3), unit="sRGB"),
)

MESH_TARGETS = (
    Field(name="triangles", dtype="int16", shape=("F", 3, 3), unit="corners' cells along x, y, z; -1 = padding"),
    Field(name="mask", dtype="bool", shape=("F",), unit="True = a real face"),
)

GAUSSIANS_TARGETS = (
    Field(
        name="gaussians",
        dtype="float16",
        shape=("G", 14),
        unit="mean, log of the scales, rotation wxyz, logit of the opacity, sRGB in [0, 1]; canonical order",
    ),
)

CONDITIONS = (
    Field(
        name="image_tokens", dtype="float16", shape=("V", "T_image", "C_image"), unit="frozen image encoder's states"
    ),
    Field(name="text_tokens", dtype="float16", shape=("T_text", "C_text"), unit="frozen text encoder's states"),
    Field(name="text_mask", dtype="bool", shape=("T_text",), unit="True = a real token"),
    Field(
        name="image_embedding",
        dtype="float32",
        shape=("V", "E"),
        unit="unit norm, shared space with text where the model has one",
    ),
    Field(name="text_embedding", dtype="float32", shape=("E",), unit="unit norm"),
)

TOKENS = (
    Field(name="mean", dtype="float32", shape=("L", "D"), unit="posterior mean, not normalised"),
    Field(name="std", dtype="float32", shape=("L", "D"), unit="posterior standard deviation"),
)

SAMPLES = (
    Field(name="vertices", dtype="float32", shape=("N", 3), unit="normalised frame", ragged=True),
    Field(name="faces", dtype="int64", shape=("F", 3), unit="index of a vertex of the same sample", ragged=True),
    Field(name="tokens", dtype="float32", shape=("L", "D"), unit="generated latent tokens, not normalised"),
)

CLOUD_SAMPLES = (
    Field(name="points", dtype="float32", shape=("P", 6), unit="position in the normalised frame, unit normal"),
    Field(name="colors", dtype="uint8", shape=("P", 3), unit="sRGB"),
    Field(name="tokens", dtype="float32", shape=("L", "D"), unit="generated latent tokens, not normalised"),
)

GAUSSIANS_SAMPLES = (
    Field(name="gaussians", dtype="float32", shape=("G", 14), unit="as the target's"),
    Field(name="tokens", dtype="float32", shape=("L", "D"), unit="generated latent tokens, not normalised"),
)
