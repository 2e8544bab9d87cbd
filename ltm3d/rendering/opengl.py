"""The fast renderer: moderngl on EGL, which needs no display and, with Mesa's llvmpipe, no graphics card.

It exposes the same film as the Embree renderer: a sample lies in the middle of each cell of the supersampled picture.
"""

import atexit
import os
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ltm3d.errors import ConfigError
from ltm3d.geometry.mesh import Mesh
from ltm3d.rendering.cameras import ViewConfig, orbit_camera, standard_lights
from ltm3d.rendering.film import Film, Views, Window, develop, window_of
from ltm3d.rendering.shaders import FULL_VERTEX, POOL_FRAGMENT, SURFACE_FRAGMENT, SURFACE_VERTEX
from ltm3d.rendering.shading import albedo, key_direction, smoothing_groups

NEAREST = 1e-3  # distance below which nothing is drawn
REMEDY = (
    "install moderngl, and on Debian the packages libegl1 libgl1 libgl1-mesa-dri, or set renderer: embree, "
    "which needs neither"
)


@dataclass(eq=False)
class _Canvas:
    """A framebuffer of two float pictures, and of a depth where it is painted on."""

    framebuffer: Any
    light: Any
    surface: Any
    depth: Any

    def release(self) -> None:
        for part in (self.framebuffer, self.light, self.surface, self.depth):
            if part is not None:
                part.release()


@dataclass(eq=False)
class _Device:
    """A context with its programs, and what pictures of the last size need."""

    context: Any
    driver: str
    max_side: int  # of a canvas
    surface: Any
    pool: Any
    full: Any  # the triangle over the picture
    size: tuple[int, int] = (0, 0)  # resolution, supersample
    canvases: list[_Canvas] = field(default_factory=list)  # of samples, and of pixels where those are others
    readout: list[np.ndarray] = field(default_factory=list)  # two of float32 [H * W * 4]


_lock = threading.Lock()
_devices: dict[int, _Device] = {}  # one a process; a context does not outlive a fork


def render(mesh: Mesh, cameras: np.ndarray, *, config: ViewConfig, lights: np.ndarray | None = None) -> Views:
    """Take a picture from each of the cameras [V, 4, 4]; the arguments and the result are `embree.render`'s.

    Raises:
        ConfigError: there is no OpenGL through EGL here, or it cannot hold so large a picture.
        MemoryError: OpenGL got too little memory.
    """
    lights = standard_lights(config, len(cameras)) if lights is None else lights
    vertices, index = _vertices(mesh)
    windows = [window_of(mesh, camera, config) for camera in cameras]
    with _lock:
        try:
            device = _device()
            with device.context:
                frames = _paint(device, vertices, index, cameras, lights, windows, config)
        except BaseException:
            _close()
            raise
    images, depth, normals = (np.stack(part) for part in zip(*frames, strict=True))
    return Views(images=images, depth=depth, normals=normals)


def driver() -> str:
    """Open OpenGL, if that is still to be done, and say whose it is: other drivers give other last bits.

    Raises:
        ConfigError: there is no OpenGL through EGL here.
    """
    with _lock:
        return _device().driver


def try_out() -> str:
    """Paint a square, check that it is where it should be, and return the driver.

    Raises:
        ConfigError: there is no OpenGL through EGL here, or it does not paint.
    """
    square = Mesh(
        np.array([[-0.1, -0.1, 0], [0.5, -0.1, 0], [0.5, 0.5, 0], [-0.1, 0.5, 0]]), np.array([[0, 1, 2], [0, 2, 3]])
    )
    config = ViewConfig(resolution=8, supersample=2, field_of_view=60.0)
    views = render(square, orbit_camera(0, 0, 1.0)[None], config=config)
    upper_right, rest = views.depth[0, 1:4, 4:7].copy(), views.depth[0].copy()
    rest[0:5, 3:8] = 0
    if not (upper_right == 1).all() or rest.any():
        raise ConfigError(f"the OpenGL of {driver()} paints something else than it is told to")
    return driver()


def close() -> None:
    """Give this process's context and buffers back; the next picture opens them anew."""
    with _lock:
        _close()


def _device() -> _Device:
    device = _devices.get(os.getpid())
    if device is None:
        if not _devices:
            atexit.register(close)
        device = _devices[os.getpid()] = _open()
    return device


def _open() -> _Device:
    os.environ.setdefault("LP_NUM_THREADS", "0")  # llvmpipe paints in the calling thread: one process, one core
    try:
        import moderngl

        settings: dict[str, Any] = {"backend": "egl"}  # moderngl's stub has the wrong type for a keyword
        context = moderngl.create_context(require=330, standalone=True, **settings)
    except MemoryError:
        raise
    except Exception as error:  # glcontext has no error of its own
        raise ConfigError(f"no OpenGL 3.3 through EGL ({error})") from error
    with context:
        surface = context.program(vertex_shader=SURFACE_VERTEX, fragment_shader=SURFACE_FRAGMENT)
        pool = context.program(vertex_shader=FULL_VERTEX, fragment_shader=POOL_FRAGMENT)
        pool["light"], pool["surface"] = 0, 1
        return _Device(
            context=context,
            driver=f"{context.info['GL_RENDERER']}, OpenGL {context.info['GL_VERSION']}",
            max_side=context.info["GL_MAX_TEXTURE_SIZE"],
            surface=surface,
            pool=pool,
            full=context.vertex_array(pool, []),
        )


def _close() -> None:
    device = _devices.pop(os.getpid(), None)
    if device is None:
        return
    with device.context:
        _release_canvases(device)
        for part in (device.full, device.pool, device.surface):
            part.release()
    device.context.release()


def _vertices(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices [M, 9] of position, normal and base colour, and the three of each face, uint32 [F, 3].

    Corners share one where they share their vertex and its normal.
    """
    if not len(mesh.faces):  # one triangle without area: OpenGL takes no empty buffers
        return np.zeros((1, 9), np.float32), np.zeros((1, 3), np.uint32)
    group, normals = smoothing_groups(mesh)
    _, first, index = np.unique(mesh.faces * len(normals) + group, return_index=True, return_inverse=True)
    vertex = mesh.faces.reshape(-1)[first]
    vertices = np.concatenate([mesh.vertices[vertex], normals[group.reshape(-1)[first]], albedo(mesh)[vertex]], axis=1)
    return vertices, index.reshape(-1, 3).astype(np.uint32)


def _paint(
    device: _Device,
    vertices: np.ndarray,
    index: np.ndarray,
    cameras: np.ndarray,
    lights: np.ndarray,
    windows: list[Window],
    config: ViewConfig,
) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the developed pictures of vertices [M, 9] and index [F, 3]."""
    context, surface, pool = device.context, device.surface, device.pool
    _fit_canvases(device, config)
    samples, pixels = device.canvases[0], device.canvases[-1]
    corners = _box_corners(vertices[:, :3])
    frames = []
    with ExitStack() as kept:
        buffers = [context.buffer(array) for array in (vertices, index)]
        content = [(buffers[0], "3f 3f 3f", "position", "normal", "color")]
        shape = context.vertex_array(surface, content, index_buffer=buffers[1], index_element_size=4)
        for part in (*buffers, shape):
            kept.callback(part.release)
        for camera, light, window in zip(cameras, lights, windows, strict=True):
            (height, width), corner = window.shape, (window.columns.start, window.rows.start)
            _aim(surface, camera, light, corners, config)
            samples.framebuffer.use()
            samples.framebuffer.clear()
            context.enable_only(context.DEPTH_TEST)
            shape.render()
            if config.supersample > 1:
                pool["factor"] = config.supersample
                samples.light.use(0)
                samples.surface.use(1)
                pixels.framebuffer.use()
                pixels.framebuffer.viewport = (*corner, width, height)
                context.enable_only(context.NOTHING)
                device.full.render(vertices=3)
            film = _read(pixels, device.readout, (*corner, width, height))
            frames.append(develop(film, window, config))
    _check(context)
    return frames


def _check(context: Any) -> None:
    error = context.error
    if error != "GL_NO_ERROR":
        raise MemoryError(error) if error == "GL_OUT_OF_MEMORY" else RuntimeError(f"OpenGL: {error}")


def _aim(surface: Any, camera: np.ndarray, light: np.ndarray, corners: np.ndarray, config: ViewConfig) -> None:
    """Set the camera [4, 4] and the light [2] for a mesh inside these corners of a box [8, 3]."""
    rotation, eye = camera[:3, :3].astype(np.float64), camera[:3, 3].astype(np.float64)
    depths = (eye - corners) @ rotation[:, 2]
    near = max(float(depths.min()) * 0.999, NEAREST)
    far = max(float(depths.max()) * 1.001, 2 * near)
    to_clip = np.zeros((4, 4))
    to_clip[0, :3] = rotation[:, 0] / config.half_tangent
    to_clip[1, :3] = -rotation[:, 1] / config.half_tangent
    to_clip[2, :3] = -rotation[:, 2] * ((far + near) / (far - near))
    to_clip[3, :3] = -rotation[:, 2]
    to_clip[:, 3] = -to_clip[:, :3] @ eye
    to_clip[2, 3] -= 2 * far * near / (far - near)
    surface["to_clip"].write(np.ascontiguousarray(to_clip.T, dtype=np.float32))  # OpenGL stores columns
    surface["eye"] = tuple(eye.tolist())
    surface["key"] = tuple(key_direction(camera[:3, :3]).tolist())
    surface["sky"], surface["headlight"] = light.tolist()


def _box_corners(points: np.ndarray) -> np.ndarray:
    """Return the corners [8, 3] of the box around points [M, 3]."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.array([[x, y, z] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])])


def _read(canvas: _Canvas, readout: list[np.ndarray], viewport: tuple[int, int, int, int]) -> Film:
    _, _, width, height = viewport
    parts = [flat[: height * width * 4].reshape(height, width, 4) for flat in readout]
    for attachment, part in enumerate(parts):
        if part.size:
            canvas.framebuffer.read_into(part, viewport, components=4, attachment=attachment, dtype="f4")
    light, surface = parts
    return Film(light=light, normals=surface[..., :3], depth=surface[..., 3])


def _fit_canvases(device: _Device, config: ViewConfig) -> None:
    """Keep the canvases as long as the size of the picture stays."""
    size = (config.resolution, config.supersample)
    if device.size == size:
        return
    side = config.resolution * config.supersample
    if side > device.max_side:
        raise ConfigError(
            f"resolution {config.resolution} x supersample {config.supersample} is {side}; this OpenGL paints up to "
            f"{device.max_side}: lower one of them, or set renderer: embree"
        )
    sides = [side] if config.supersample == 1 else [side, config.resolution]
    canvases = [_canvas(device.context, each, has_depth=each == side) for each in sides]
    canvases[0].framebuffer.use()  # OpenGL must not be left with a framebuffer that is gone
    _release_canvases(device)
    device.canvases, device.size = canvases, size
    device.readout = [np.empty(config.resolution**2 * 4, np.float32) for _ in range(2)]


def _canvas(context: Any, side: int, *, has_depth: bool) -> _Canvas:
    light, surface = (context.texture((side, side), 4, dtype="f4") for _ in range(2))
    depth = context.depth_renderbuffer((side, side)) if has_depth else None
    _check(context)
    framebuffer = context.framebuffer([light, surface], depth)
    return _Canvas(framebuffer, light, surface, depth)


def _release_canvases(device: _Device) -> None:
    for canvas in device.canvases:
        canvas.release()
    device.canvases, device.size = [], (0, 0)
