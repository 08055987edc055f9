"""The mapping network, fitted last: z of a picture → the w that the encoder finds for it. No pictures are made, so it is nearly free.

z = R (scene code, noise), which is standard normal, so that sampling needs no scene code. A code does not tell all that an encoder sees (or
not as long as few pictures were seen): a mapping that knows the code alone gives the mean of what may be, and means are hazy. So the
mapping is fitted twice:

1. on codes, with noise 0: f(code), the mean;
2. on codes and what they leave open: the principal components of w − f(code) over the pictures, scaled to variance 1, are their noise.

Noise drawn at random then gives what pictures have that the code does not tell, and the same noise keeps it while a code is changed. What
differs from StyleGAN2 (Karras et al. 2020): there the adversarial loss alone says where a z should go.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from domains.codes import code_rotation, latent_of
from domains.optimisers import parameter_group, set_rates
from stylespace.generator import Generator
from stylespace.schedule import rate_at

PART = 4096


class MappingFit:
    """Regression of w [n, w_dim] from codes [n, code] and noise [n, spare]; spare: how many numbers of z are left by the code.

    rate: Adam's learning rate, before the mapping's own multiplier (0.01 as a rule), which is a brake where codes are supervised.
    """

    def __init__(
        self,
        generator: Generator,
        codes: Float[Tensor, "n code"],
        noise: Float[Tensor, "n spare"],
        w: Float[Tensor, "n w_dim"],
        batch: int,
        total_images: int,
        rate: float = 3.0,
    ):
        self.generator, self.w = generator, w
        self.z = latent_of(codes, noise, code_rotation(generator.z_dim).to(codes.device))
        self.batch, self.total_images = batch, total_images
        parameters = list(generator.mapping.requires_grad_(True).parameters())
        self.modules: Mapping[str, nn.Module] = {"mapping": generator.mapping}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "mapping": torch.optim.Adam([parameter_group(parameters, rate)], betas=(0.9, 0.99))
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        optimizer = self.optimizers["mapping"]
        set_rates(optimizer, rate_at(position, self.total_images))
        indices = torch.randint(len(self.w), (self.batch,), generator=generator).to(self.w.device)
        loss = (self.generator.map(self.z[indices]) - self.w[indices]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"mapping": loss.detach()}


@torch.no_grad()
def open_noise(
    generator: Generator, codes: Float[Tensor, "n code"], w: Float[Tensor, "n w_dim"]
) -> tuple[Float[Tensor, "n spare"], float]:
    """What the mapping leaves open at noise 0, as noise: its largest principal components, each of mean 0 and variance 1, the first as many
    as z has room for. And their share of all that is open.

    Numbers of z beyond what n pictures can fill (w_dim or n − 1) are 0.
    """
    rotation = code_rotation(generator.z_dim).to(codes.device)
    noise = codes.new_zeros(len(codes), generator.z_dim - codes.shape[1])
    means = torch.cat([generator.map(latent_of(*part, rotation)) for part in zip(codes.split(PART), noise.split(PART), strict=True)])
    left = (w - means).double()
    left = left - left.mean(dim=0)
    values, axes = torch.linalg.eigh(left.T @ left / max(len(left) - 1, 1))
    values, axes = values.flip(0), axes.flip(1)
    count = min(noise.shape[1], len(values), max(len(left) - 1, 0))
    held = values[:count].clamp_min(torch.finfo(values.dtype).eps * float(values[0]) + torch.finfo(values.dtype).tiny)
    noise[:, :count] = (left @ axes[:, :count] / held.sqrt()).to(noise)
    return noise, float(values[:count].sum() / values.sum())
