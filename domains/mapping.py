"""The mapping network, made last: z of a picture → the w that the encoder finds for it. No pictures are drawn, so it is nearly free.

z = R (scene code, noise), which is standard normal, so that sampling needs no scene code. A code does not tell all that an encoder sees (or
not as long as few pictures were seen): a mapping that knows the code alone gives the mean of what may be, and means are hazy. So

1. `MeanFit` fits f, the mean of w given the code, at noise 0;
2. `with_noise` lets noise in before the last activation: lrelu(f⁻(code) + A noise), where f⁻ is f before it, and A Aᵀ the covariance, over
   pictures, of what f⁻ lacks, as far as z has room for it. Pairs of units beside those of f hand the noise on through the hidden layers as
   it is, since lrelu(x) − lrelu(−x) = (1 + slope) x. The noise of each number of w is weakened until it varies as over pictures, since
   what is below 0 counts 1 / slope as much before the activation.

Noise drawn at random then gives what pictures have that the code does not tell, and the same noise keeps it while a code is changed. A
regression on noise would not do: it learns the large components and leaves out the many small ones that pictures are made of.
What differs from StyleGAN2 (Karras et al. 2020): there the adversarial loss alone says where a z should go.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from cuda_ops.bias_act import DEFAULT_GAIN, LRELU_SLOPE
from domains.codes import code_rotation, latent_of
from domains.optimisers import parameter_group, set_rates
from stylespace.generator import Generator, normalise_second_moment
from stylespace.generator import Mapping as MappingNetwork
from stylespace.layers import Linear
from stylespace.schedule import rate_at

PART = 4096
GAIN = DEFAULT_GAIN["lrelu"]


class MeanFit:
    """Regression of w [n, w_dim], which the encoder finds for pictures, from their codes [n, code], at noise 0.

    rate: Adam's learning rate, before the mapping's own multiplier (0.01 as a rule), which is a brake where codes are supervised.
    """

    def __init__(
        self,
        generator: Generator,
        codes: Float[Tensor, "n code"],
        w: Float[Tensor, "n w_dim"],
        batch: int,
        total_images: int,
        rate: float = 3.0,
    ):
        self.generator, self.w, self.batch, self.total_images = generator, w, batch, total_images
        self.z = _quiet(generator, codes)
        parameters = list(generator.mapping.requires_grad_(True).parameters())
        self.modules: Mapping[str, nn.Module] = {"mapping": generator.mapping}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "mapping": torch.optim.Adam([parameter_group(parameters, rate)], betas=(0.9, 0.99))
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        optimizer = self.optimizers["mapping"]
        set_rates(optimizer, rate_at(position, self.total_images))
        rows = torch.randint(len(self.w), (self.batch,), generator=generator).to(self.w.device)
        loss = (self.generator.map(self.z[rows]) - self.w[rows]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"mapping": loss.detach()}


@torch.no_grad()
def with_noise(
    generator: Generator, codes: Float[Tensor, "n code"], w: Float[Tensor, "n w_dim"]
) -> tuple[Generator, float]:
    """The same generator with step 2 of the module done for a mapping that was fitted to these codes and w, and the share of what codes
    leave open that z has room for.

    Its hidden layers are wider by two units for each number of z beyond the code's. Since a z with noise is longer than one without, and
    the mapping sees either at length 1, the first layer listens to codes as much more. Raises ValueError for a mapping of one layer.
    """
    mapping, spare = generator.mapping, generator.z_dim - codes.shape[1]
    if mapping.layers < 2:
        raise ValueError(f"a mapping of {mapping.layers} layer has none that could carry noise; give it two or more")
    spread, share = open_spread(generator, codes, w)
    width = mapping.fc0.weight.shape[0]
    wider = Generator(**generator.arguments | {"mapping_width": width + 2 * spare}).to(w.device).requires_grad_(False)
    wider.synthesis.load_state_dict(generator.synthesis.state_dict())
    wider.mapping.w_avg.copy_(mapping.w_avg)
    noise = code_rotation(generator.z_dim)[:, codes.shape[1] :].to(w)
    through = torch.cat([torch.eye(spare), -torch.eye(spare)]).to(w) / (GAIN * (1 + LRELU_SLOPE))
    pairs = torch.cat([through, -through], dim=1)
    for index, (before, after) in enumerate(zip(_layers(mapping), _layers(wider.mapping), strict=True)):
        weight, heard = torch.zeros_like(after.weight), before.weight * before.gain
        rows = len(heard)
        if index == 0:
            weight[:rows] = (heard - heard @ noise @ noise.T) * math.sqrt(generator.z_dim / codes.shape[1])
            weight[rows:] = torch.cat([noise.T, -noise.T])
        elif index < mapping.layers - 1:
            weight[:rows, :width] = heard
            weight[rows:, width:] = pairs
        else:
            weight[:, :width], weight[:, width:] = heard, spread @ through.T
        after.weight.copy_(weight / after.gain)
        after.bias.zero_()[:rows] = before.bias
    return wider, share


@torch.no_grad()
def open_spread(
    generator: Generator, codes: Float[Tensor, "n code"], w: Float[Tensor, "n w_dim"]
) -> tuple[Float[Tensor, "w_dim spare"], float]:
    """A: what the mapping at noise 0 lacks before its last activation, its largest principal components over the pictures, each as long as
    its standard deviation, as many as z has room for, and rows weakened as above; and their share of all that it lacks. Columns beyond
    w_dim are 0."""
    before = torch.cat([before_activation(generator.mapping, z) for z in _quiet(generator, codes).split(PART)])
    lacking = torch.where(w > 0, w, w / LRELU_SLOPE) / GAIN - before
    values, axes = torch.linalg.eigh(lacking.double().T.cov())
    values, axes = values.flip(0).clamp_min(0.0), axes.flip(1)
    spread = w.new_zeros(w.shape[1], generator.z_dim - codes.shape[1])
    count = min(spread.shape)
    spread[:, :count] = (axes[:, :count] * values[:count].sqrt()).to(w)
    return spread * weakened(before, spread, w)[:, None], float(values[:count].sum() / values.sum())


def weakened(
    before: Float[Tensor, "n w_dim"], spread: Float[Tensor, "w_dim spare"], w: Float[Tensor, "n w_dim"]
) -> Float[Tensor, " w_dim"]:
    """Factors in [0, 1] on the noise of each number under which lrelu(before + A noise) varies no more than w does (by bisection)."""
    noise = torch.randn(len(w), spread.shape[1], generator=torch.Generator().manual_seed(0)).to(w)
    added, wanted = noise @ spread.T, w.var(dim=0)
    low, high = torch.zeros_like(wanted), torch.ones_like(wanted)
    for _ in range(12):
        middle = (low + high) / 2
        much = (functional.leaky_relu(before + middle * added, LRELU_SLOPE) * GAIN).var(dim=0) > wanted
        low, high = torch.where(much, low, middle), torch.where(much, middle, high)
    return torch.where(high == 1, high, low)


def before_activation(mapping: MappingNetwork, z: Float[Tensor, "batch z_dim"]) -> Float[Tensor, "batch w_dim"]:
    """What the last layer's activation is given."""
    x = normalise_second_moment(z)
    *hidden, last = _layers(mapping)
    for layer in hidden:
        x = layer(x)
    return torch.addmm(last.bias * last.rate, x, (last.weight * last.gain).T)


def _layers(mapping: MappingNetwork) -> list[Linear]:
    return [getattr(mapping, f"fc{index}") for index in range(mapping.layers)]


def _quiet(generator: Generator, codes: Float[Tensor, "n code"]) -> Float[Tensor, "n z_dim"]:
    """z of codes with noise 0."""
    noise = codes.new_zeros(len(codes), generator.z_dim - codes.shape[1])
    return latent_of(codes, noise, code_rotation(generator.z_dim).to(codes.device))
