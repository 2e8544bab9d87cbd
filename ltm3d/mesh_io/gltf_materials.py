"""Materials of glTF files: base colour by either model, and the picture it comes from."""

from typing import Any

import numpy as np

from ltm3d.geometry.parts import CLAMP, MIRROR, PLAIN, REPEAT, Material, Texture
from ltm3d.mesh_io.gltf_file import GltfFile, uri_bytes
from ltm3d.mesh_io.references import BoundedResolver

_WRAPS = {33071: CLAMP, 33648: MIRROR, 10497: REPEAT}
_SOURCES = ("EXT_texture_webp", "EXT_texture_avif", "MSFT_texture_dds")  # pillow reads these
_INVISIBLE = 0.01  # alpha of a blended surface below which nothing is seen of it
_UNREADABLE = "KHR_texture_basisu"


class GltfMaterials:
    """The materials of a file, each read when it is first asked for: pictures that nothing uses are never decoded."""

    def __init__(self, gltf: GltfFile, files: BoundedResolver) -> None:
        self._gltf, self._files = gltf, files
        self._materials: dict[int, Material] = {}
        self._pixels: dict[int, np.ndarray | None] = {}

    def get(self, index: int) -> Material:
        """Return a material by its number."""
        if index not in self._materials:
            self._materials[index] = self._read(self._gltf.header["materials"][index])
        return self._materials[index]

    def texture_info(self, index: int, *, glow: bool = False) -> dict[str, Any]:
        """Return the `textureInfo` of the base colour, or of the glow; empty where there is none."""
        material = self._gltf.header["materials"][index]
        return dict((material.get("emissiveTexture") if glow else _base_color(material)[1]) or {})

    def _read(self, material: dict[str, Any]) -> Material:
        factor, info = _base_color(material)
        texture = None if info is None else self._texture(info)
        glow, glow_texture = self._glow(material)
        mode = material.get("alphaMode", "OPAQUE")
        if mode == "BLEND":
            self._files.note(f"material {material.get('name', '')!r} is transparent (BLEND); it is drawn opaque")
        min_alpha = {"MASK": float(material.get("alphaCutoff", 0.5)), "BLEND": _INVISIBLE}.get(mode)
        if factor is None and texture is None and glow is None and min_alpha is None:
            return PLAIN
        return Material(
            factor=None if factor is None else np.asarray(factor, np.float64)[:4],
            texture=texture,
            glow=glow,
            glow_texture=glow_texture,
            min_alpha=min_alpha,
        )

    def _glow(self, material: dict[str, Any]) -> tuple[np.ndarray | None, Texture | None]:
        """Return emissive factor, with KHR_materials_emissive_strength, and texture; of what glows not at all, None."""
        glow = np.asarray(material.get("emissiveFactor", (0, 0, 0)), np.float64)[:3]
        strength = material.get("extensions", {}).get("KHR_materials_emissive_strength", {})
        glow = glow * float(strength.get("emissiveStrength", 1.0))
        if glow.max() <= 0:
            return None, None
        info = material.get("emissiveTexture")
        texture = None if info is None else self._texture(info)
        return (None, None) if info is not None and texture is None else (glow, texture)

    def _texture(self, info: dict[str, Any]) -> Texture | None:
        header = self._gltf.header
        texture = header["textures"][info["index"]]
        extensions = texture.get("extensions", {})
        sources = [extensions[name].get("source") for name in _SOURCES if name in extensions] + [texture.get("source")]
        if all(source is None for source in sources):
            lost = _UNREADABLE if _UNREADABLE in extensions else "no picture that is read"
            self._files.note(f"texture {info['index']}: not read, {lost}")
            return None
        pixels = next(
            (found for source in sources if source is not None and (found := self._picture(source)) is not None), None
        )
        if pixels is None:
            return None
        sampler = header["samplers"][texture["sampler"]] if "sampler" in texture else {}
        wrap = tuple(_WRAPS.get(sampler.get(name, 10497), REPEAT) for name in ("wrapS", "wrapT"))
        return Texture(pixels=pixels, wrap=(wrap[0], wrap[1]))

    def _picture(self, index: int) -> np.ndarray | None:
        if index not in self._pixels:
            image = self._gltf.header["images"][index]
            name = f"{index}"
            data: bytes | None = b""
            if "bufferView" in image:
                data = self._gltf.view_bytes(image["bufferView"])
            elif "uri" in image and image["uri"].startswith("data:"):
                data = uri_bytes(image["uri"], self._files)
            elif "uri" in image:
                name = image["uri"]
                data = self._files.get_optional(name, "picture")
            self._pixels[index] = None if data is None else self._files.decode(data, name)
        return self._pixels[index]


def _base_color(material: dict[str, Any]) -> tuple[Any, dict[str, Any] | None]:
    """Return base colour factor and texture; of the older specular-glossiness model, the diffuse ones."""
    metallic = material.get("pbrMetallicRoughness", {})
    factor, texture = metallic.get("baseColorFactor"), metallic.get("baseColorTexture")
    glossy = material.get("extensions", {}).get("KHR_materials_pbrSpecularGlossiness")
    if glossy is not None:
        factor, texture = glossy.get("diffuseFactor", factor), glossy.get("diffuseTexture", texture)
    return factor, texture
