"""The clay style: the same person as a grey sculpture, hair cut into locks and irises into the eyes, in studio light."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.lighting import LUMINANCE
from cddfm.world.assets import EYE, MOUTH
from cddfm.world.looks import IRIS_ANGLE, PUPIL_ANGLE, gloss, grain, shade_planes
from cddfm.world.scene import Scene
from cddfm.world.stage import Stage
from cddfm.world.surface import Solid
from cddfm.world.vectors import dot, of_each, ramp, unit

CLAY = (0.50, 0.475, 0.445)
LOCK_WIDTH = 1.05
LOCK_RELIEF = 0.32


def solid_clay(scene: Scene, stage: Stage, solid: Solid) -> Float[Tensor, "3 pixels"]:
    """Light leaving the clay at solid samples."""
    wobble = 0.045 * grain(solid.place, solid.place[:2] * 0 + 1.0, 5.0) + 0.03 * grain(solid.place, solid.place[:2] * 0 + 2.0, 13.0)
    normal = unit(solid.normal + torch.stack([wobble, -0.7 * wobble, 0 * wobble]))
    carved = torch.ones_like(solid.key)
    eye = solid.of(EYE)
    spot = unit(solid.place[:, eye])
    angle = spot[2].clamp(-1, 1).acos()
    pupil = ramp(angle, PUPIL_ANGLE + 0.10, PUPIL_ANGLE + 0.02) * (1 - ramp(spot[1] - spot[0] * 0.4, 0.05, 0.12))
    rim = ramp((angle - IRIS_ANGLE).abs(), 0.06, 0.02)
    carved[eye] = (1 - 0.82 * pupil) * (1 - 0.45 * rim) * (0.86 - 0.30 * ramp(spot[1], 0.05, 0.5))
    carved[solid.of(MOUTH)] = 0.55
    return lit(scene, stage, solid.image, normal, solid.key, solid.sky) * carved


def lit(scene: Scene, stage: Stage, image: Tensor, normal: Tensor, key: Tensor, sky: Tensor) -> Float[Tensor, "3 pixels"]:
    """Clay under the scene's light without its colour, with a cool fill from the other side and a rim from behind."""
    grey = scene.params.light.new_tensor(LUMINANCE)
    light = (scene.params.light.unflatten(1, (9, 3)) * grey).sum(-1, keepdim=True).expand(-1, -1, 3).flatten(1)
    ambient = of_each((stage.ambient * grey).sum(1), image)
    directional = (shade_planes(normal, of_each(light.t(), image))[0] - ambient).clamp(min=0)
    towards = of_each(stage.towards.t(), image)
    strength = of_each(stage.strength, image)
    fill = dot(normal, unit(torch.stack([-towards[0], 0.1 + 0 * towards[1], 0.5 + 0 * towards[2]]))).clamp(min=0)
    behind = unit(torch.stack([-1.2 * torch.sign(towards[0]), 0.5 + 0 * towards[1], -0.55 + 0 * towards[2]]))
    rim = dot(normal, behind).clamp(min=0) ** 1.5
    deep = 0.12 + 0.88 * sky**1.2
    received = 0.85 * ambient * deep + directional * (0.06 + 0.94 * key) * (0.3 + 0.7 * deep)
    clay = normal.new_tensor(CLAY)[:, None]
    cool, warm = normal.new_tensor([0.92, 0.98, 1.08])[:, None], normal.new_tensor([1.03, 1.0, 0.96])[:, None]
    colour = clay * (warm * received + cool * (0.13 * fill * deep + 0.30 * rim * deep))
    return colour + 0.045 * strength * key * gloss(normal, towards, 16.0)


def clay_backdrop(scene: Scene, resolution: int) -> Float[Tensor, "batch 3 height width"]:
    """A grey studio wall with a pool of light."""
    axis = (torch.arange(resolution, device=scene.iris.device) + 0.5) / resolution * 2 - 1
    y, x = torch.meshgrid(-axis, axis, indexing="ij")
    code = torch.tanh(scene.backdrop[:, :3])[..., None, None]
    distance = (x - 0.5 * code[:, 0]) ** 2 + (y - 0.2 - 0.3 * code[:, 1]) ** 2
    tone = (0.10 + 0.07 * code[:, 2]) * (0.55 + 1.2 * torch.exp(-distance / 0.9))
    return tone.unsqueeze(1) * x.new_tensor([0.98, 1.0, 1.03])[:, None, None]
