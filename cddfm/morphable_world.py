"""The plain world of a loaded model: scene code → its head alone, in its own colours, under the scene's light, before a simple backdrop.

The same codes as the procedural world's decide pose, light, identity, expression and albedo, so that training takes any model. What a model
lacks to be looked at is added to the drawn mesh, never to the model: eyeballs behind open lids, a dark cavity behind open lips.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from cddfm.camera import Camera, place
from cddfm.lighting import shade, to_srgb
from cddfm.morphable import MorphableModel, meshes
from cddfm.params import FaceParams
from cuda_ops.rasterize import interpolate, rasterize, vertex_normals

STYLES = ("portrait", "toon")

CHUNK_PIXELS = 16 * 128 * 128
"""Supersampled pixels drawn at once; bounds the memory, not the result."""

EYE_RADIUS, EYE_DEPTH = 1.2, 1.0
"""Of added eyeballs, in cm: their size, and how far their centre lies behind the middle of the lids' landmarks."""
EYE_RINGS, EYE_SPOKES = 24, 32
IRIS_COSINE, PUPIL_COSINE = 0.875, 0.982
CAVITY = ((0.85, 1.0), (0.5, 2.2), (0.0, 2.6))
"""The mouth's cavity ring by ring: size against the opening, and depth behind it in cm."""
CAVITY_COLOUR = (0.10, 0.028, 0.025)
TONES = (0.45, 0.78, 1.0)
"""Shading of the toon style: shadow, half tone, light."""

_EYES = (range(36, 42), range(42, 48))


@dataclass(frozen=True)
class Portraits:
    """image: sRGB in [−1, 1]. mask: share of each pixel that shows face skin. landmarks: ndc, y up."""

    image: Float[Tensor, "batch 3 height width"]
    mask: Float[Tensor, "batch 1 height width"]
    landmarks: Float[Tensor, "batch 68 2"]


@dataclass(frozen=True)
class Stage:
    """The mesh that is drawn: the model's vertices, then eyeballs, then the cavity's rings.

    cavity: vertices around the mouth's opening, in order (none where the model's mouth has an inside). eyes: whether eyeballs are added.
    albedo: of the added vertices. skin: per triangle.
    """

    model: MorphableModel
    triangles: Int[Tensor, "triangles 3"]
    skin: Tensor
    eyes: bool
    sphere: Float[Tensor, "points 3"]
    cavity: Int[Tensor, rim]
    albedo: Float[Tensor, "added 3"]

    @staticmethod
    def of(model: MorphableModel) -> Stage:
        """Made on the CPU, put where the model is."""
        points, device = model.mean.cpu().numpy().astype(np.float64), model.mean.device
        drawn = ~model.part("overlay").cpu().numpy()
        triangles = model.triangles.cpu().numpy()
        triangles = triangles[drawn[triangles].all(axis=1)]
        surface = model.part("surface").cpu().numpy()
        loops = meshes.border_loops(triangles[surface[triangles].all(axis=1)])
        marks = points[model.landmarks.cpu().numpy()]
        eyes = not model.part("eyeball_R", "eyeball_L").any() and _near(points, loops, marks[36:42].mean(0), 1.0) is not None
        mouth = None if model.part("mouth").any() else _near(points, loops, marks[60:68].mean(0), 1.5)
        rim = np.zeros(0, np.int64) if mouth is None else mouth
        sphere, globe = _sphere()
        added, colours, count = [], [], len(points)
        if eyes:
            for _ in _EYES:
                added.append(globe + count)
                colours.append(_eye_colours(sphere))
                count += len(sphere)
        if len(rim):
            added.append(_cavity_triangles(rim, count))
            colours.append(torch.tensor(CAVITY_COLOUR).expand(len(rim) * len(CAVITY), 3))
        every = torch.from_numpy(np.concatenate([triangles, *added]))
        is_skin = torch.zeros(len(every), dtype=torch.bool)
        is_skin[: len(triangles)] = model.skin.cpu()[every[: len(triangles)]].all(dim=1)
        tail = torch.cat(colours) if colours else torch.zeros(0, 3)
        opening = torch.from_numpy(rim)
        return Stage(model, every.to(device), is_skin.to(device), eyes, sphere.to(device), opening.to(device), tail.to(device))

    def vertices(self, params: FaceParams) -> Float[Tensor, "batch vertices 3"]:
        """The model's vertices and the added ones, in the head's own frame. Eyeballs move with the lids at rest."""
        model = self.model
        points = model.vertices(params.identity, params.expression)
        parts = [points]
        if self.eyes:
            for numbers in _EYES:
                index = model.landmarks[list(numbers)]
                rest = model.mean[index] + (params.identity @ model.identity_basis[:, index].flatten(1)).unflatten(1, (-1, 3))
                centre = rest.mean(dim=1) - rest.new_tensor([0.0, 0.0, EYE_DEPTH])
                parts.append(centre[:, None] + EYE_RADIUS * self.sphere)
        if len(self.cavity):
            rim = points[:, self.cavity]
            middle = rim.mean(dim=1, keepdim=True)
            parts += [middle + size * (rim - middle) - rim.new_tensor([0.0, 0.0, depth]) for size, depth in CAVITY]
        return torch.cat(parts, dim=1)


def _near(points: np.ndarray, loops: list[np.ndarray], place: np.ndarray, reach: float) -> np.ndarray | None:
    """The border whose middle lies about a place, seen from the front."""
    found = [loop for loop in loops if np.linalg.norm(points[loop].mean(axis=0)[:2] - place[:2]) < reach]
    return min(found, key=lambda loop: float(np.linalg.norm(points[loop].mean(axis=0)[:2] - place[:2]))) if found else None


def _sphere() -> tuple[Float[Tensor, "points 3"], np.ndarray]:
    """A unit sphere about the z axis, and its triangles, counter-clockwise from outside."""
    polar = torch.linspace(1e-3, 2.2, EYE_RINGS)[:, None].expand(-1, EYE_SPOKES)
    around = (torch.arange(EYE_SPOKES) * (2 * torch.pi / EYE_SPOKES))[None].expand(EYE_RINGS, -1)
    points = torch.stack([polar.sin() * around.cos(), polar.sin() * around.sin(), polar.cos()], dim=-1).flatten(0, 1)
    ring, spoke = np.meshgrid(np.arange(EYE_RINGS - 1), np.arange(EYE_SPOKES), indexing="ij")
    here, beside = ring * EYE_SPOKES + spoke, ring * EYE_SPOKES + (spoke + 1) % EYE_SPOKES
    below, across = here + EYE_SPOKES, beside + EYE_SPOKES
    return points, np.stack([here, below, beside, beside, below, across], axis=-1).reshape(-1, 3)


def _eye_colours(sphere: Float[Tensor, "points 3"]) -> Float[Tensor, "points 3"]:
    forward = sphere[:, 2:3]
    colour = torch.where(forward > IRIS_COSINE, sphere.new_tensor([0.11, 0.07, 0.045]), sphere.new_tensor([0.60, 0.57, 0.55]))
    return torch.where(forward > PUPIL_COSINE, sphere.new_tensor([0.008, 0.008, 0.008]), colour)


def _cavity_triangles(rim: np.ndarray, first: int) -> np.ndarray:
    """Bands from the rim inwards. The rim runs against the surface's triangles, as the band that continues it must."""
    count = len(rim)
    rows = [rim, *(first + ring * count + np.arange(count) for ring in range(len(CAVITY)))]
    bands = []
    for outer, inner in zip(rows, rows[1:], strict=False):
        outer_next, inner_next = np.roll(outer, -1), np.roll(inner, -1)
        bands += [np.stack([outer, outer_next, inner], axis=1), np.stack([outer_next, inner_next, inner], axis=1)]
    return np.concatenate(bands)


class MorphableWorld:
    """Portraits of a loaded model, from scene codes. `styles`: what it can be drawn as."""

    styles = STYLES

    def __init__(self, model: MorphableModel):
        self.model = model
        self._stages: dict[str, Stage] = {}

    @cached_property
    def key(self) -> str:
        """Tells models apart in caches, by what they hold."""
        digest = hashlib.sha256()
        for name, tensor in self.model.tensors().items():
            digest.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
        return f"model-{digest.hexdigest()[:12]}"

    def stage(self, device: torch.device | str) -> Stage:
        key = str(device)
        if key not in self._stages:
            self._stages[key] = Stage.of(self.model.to(device))
        return self._stages[key]

    def params(self, codes: Float[Tensor, "images code"]) -> FaceParams:
        """What these codes say of the model's head. Expressions that the model has only as directions, or as principal components, come
        from the built-in head's named ones, with a little of each component beside them."""
        from cddfm.world import scene
        from cddfm.world.scene import scene_of

        model = self.stage(codes.device).model
        params = scene_of(codes, model).params
        if "mouthClose" in model.expression_names and "jawOpen" in model.expression_names:
            params = replace(params, expression=_close_only_open_jaws(params.expression, model.expression_names))
        if model.directions is None:
            return params
        names = scene(codes).params.expression
        named = _named_strengths(names, model)
        own = params.expression if _meant(model) else 0.35 * torch.tanh(_spread(codes, len(model.expression_names)))
        return replace(params, expression=named + own)

    @torch.no_grad()
    def portraits(
        self, codes: Float[Tensor, "images code"], resolution: int, style: str, params: FaceParams | None = None
    ) -> tuple[Tensor, FaceParams]:
        """Pictures in [−1, 1] and their parameters; params: these instead of the codes' own."""
        params = self.params(codes) if params is None else params
        return self.draw(params, resolution, style, backdrop(codes, resolution)).image, params

    @torch.no_grad()
    def draw(
        self, params: FaceParams, resolution: int, style: str = "portrait", behind: Float[Tensor, "batch 3 height width"] | None = None,
        supersample: int = 2,
    ) -> Portraits:  # fmt: skip
        """Heads of these parameters; behind: linear RGB, a light grey when left out."""
        if style not in STYLES:
            raise ValueError(f"there is no style {style!r}; choose one of {', '.join(STYLES)}")
        stage = self.stage(params.pose.device)
        behind = params.pose.new_full((len(params), 3, resolution, resolution), 0.55) if behind is None else behind
        size = max(1, CHUNK_PIXELS // (resolution * supersample) ** 2)
        parts = [
            _draw(stage, params[k : k + size], behind[k : k + size], resolution, style, supersample) for k in range(0, len(params), size)
        ]
        return Portraits(*(torch.cat([getattr(part, name) for part in parts]) for name in ("image", "mask", "landmarks")))


def _close_only_open_jaws(strengths: Float[Tensor, "images expression"], names: tuple[str, ...]) -> Float[Tensor, "images expression"]:
    """ARKit's mouthClose brings the lips together over an open jaw; alone it pushes them through each other."""
    close, jaw = names.index("mouthClose"), names.index("jawOpen")
    strengths = strengths.clone()
    strengths[:, close] = torch.minimum(strengths[:, close], strengths[:, jaw])
    return strengths


def _meant(model: MorphableModel) -> bool:
    """Whether the components have meanings of their own, instead of numbers."""
    return not any(name == "expression01" for name in model.expression_names)


def _named_strengths(strengths: Float[Tensor, "images named"], model: MorphableModel) -> Float[Tensor, "images expression"]:
    """The built-in head's expressions in the model's coefficients. A direction for both sides takes the mean of the sides."""
    from cddfm.head import build_head

    assert model.directions is not None
    names = build_head().model.expression_names
    rows = []
    for name in names:
        stem = name.removesuffix("_L").removesuffix("_R")
        if name in model.direction_names:
            rows.append(model.directions[model.direction_names.index(name)])
        elif stem != name and stem in model.direction_names:
            rows.append(0.5 * model.directions[model.direction_names.index(stem)])
        else:
            rows.append(torch.zeros_like(model.directions[0]))
    return strengths @ torch.stack(rows)


def _spread(codes: Float[Tensor, "images code"], count: int) -> Float[Tensor, "images count"]:
    """Standard Gaussian numbers out of the code by a fixed rotation-like mixing: close to independent of each other and of its parts."""
    mixing = torch.randn(codes.shape[1], count, generator=torch.Generator().manual_seed(count)) / codes.shape[1] ** 0.5
    return codes @ mixing.to(codes.device)


def backdrop(codes: Float[Tensor, "images code"], resolution: int) -> Float[Tensor, "images 3 height width"]:
    """Linear RGB: one muted colour running into another, by the code's last eight numbers."""
    axis = (torch.arange(resolution, device=codes.device) + 0.5) / resolution * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    tail = torch.special.ndtr(codes[:, -8:])
    one, two = 0.04 + 0.7 * tail[:, :3] ** 1.8, 0.04 + 0.7 * tail[:, 3:6] ** 1.8
    angle = 2 * torch.pi * tail[:, 6, None, None]
    share = torch.sigmoid(3 * (x * angle.cos() + y * angle.sin()) + 2 * (tail[:, 7, None, None] - 0.5))[:, None]
    return one[..., None, None] * (1 - share) + two[..., None, None] * share


def _draw(
    stage: Stage, params: FaceParams, behind: Float[Tensor, "batch 3 height width"], resolution: int, style: str, supersample: int
) -> Portraits:
    model, camera = stage.model, Camera()
    vertices = place(stage.vertices(params), params.pose, params.translation, model.pivot)
    albedo = torch.cat([model.reflectance(params.albedo), stage.albedo.expand(len(params), -1, -1)], dim=1)
    projected = camera.project(vertices)
    fragments = rasterize(projected, stage.triangles, resolution * supersample, cull=True)
    seen = interpolate(torch.cat([albedo, vertex_normals(vertices, stage.triangles)], dim=-1), stage.triangles, fragments)
    normals = functional.normalize(seen[..., 3:], dim=-1, eps=1e-6)
    shading = shade(normals, params.light).clamp(min=0.02)
    covered = fragments.face >= 0
    if style == "toon":
        colour = _toon(seen[..., :3], shading, normals)
    else:
        colour = seen[..., :3] * shading
    skin = covered & stage.skin[fragments.face.clamp(min=0)]
    covers = torch.stack([covered, skin], dim=-1).float()
    stack = torch.cat([colour * covers[..., :1], covers], dim=-1).permute(0, 3, 1, 2)
    if supersample > 1:
        stack = functional.avg_pool2d(stack, supersample)
    image = to_srgb(stack[:, :3] + (1 - stack[:, 3:4]) * behind)
    return Portraits(image, stack[:, 4:5], projected[:, model.landmarks, :2])


def _toon(albedo: Tensor, shading: Tensor, normals: Tensor) -> Tensor:
    """Three flat tones, stronger colours, and a dark line where the surface turns away."""
    grey = shading.mean(dim=-1, keepdim=True)
    tone = torch.where(grey < 0.45, TONES[0], torch.where(grey < 0.75, TONES[1], TONES[2]))
    mean = albedo.mean(dim=-1, keepdim=True)
    vivid = (mean + 1.35 * (albedo - mean)).clamp(min=0.0) * 1.15
    line = (normals[..., 2:] > 0.25).float()
    return vivid * tone * (0.15 + 0.85 * line)
