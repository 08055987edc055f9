"""The mapping network, made last: z of a picture → the w that the encoder finds for it. No pictures are drawn, so it is nearly free.

z = R (scene code, noise), which is standard normal, so that sampling needs no scene code. A code does not tell all that an encoder sees (or
not as long as few pictures were seen): a mapping that knows the code alone gives the mean of what may be, and means are hazy. So the
mapping learns what w of a code are *distributed* like, by the energy score (Gneiting and Raftery 2007, section 4.3):

    ES = E |M(code, noise) − w| − ½ E |M(code, noise) − M(code, noise′)|,

which is lowest for the true distribution and for no other. Two noises of each code estimate it without bias. (A network with noise among
its inputs, trained so: Shen and Meinshausen 2024, "Engression".) Noise drawn at random then gives what pictures have that the code does not
tell, and the same noise keeps it while a code is changed. What differs from StyleGAN2 (Karras et al. 2020): there the adversarial loss
alone says where a z should go. Distances are those of w's own numbers: when what a network sees of their pictures counted more, w went
astray where it sees little, and faces were hazier at an equal Fréchet distance.

Weights learn by Muon (Jordan et al. 2024): after 1,000 steps the score of held-out pictures was 6.3, where Adam, at the better of two
rates, came to 7.6.
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

BIAS_RATE = 2e-3
"""Adam's learning rate of the biases, which are no matrices."""


class MappingFit:
    """The mapping of a generator learns w [n, w_dim], which the encoder finds for pictures, from their codes [n, code] and noise.

    rate: Muon's learning rate of the weights as they are before they are equalised, whose numbers have deviation 1 at first.
    """

    def __init__(
        self,
        generator: Generator,
        codes: Float[Tensor, "n code"],
        w: Float[Tensor, "n w_dim"],
        batch: int,
        total_images: int,
        rate: float = 0.5,
    ):
        self.generator, self.codes, self.w, self.batch, self.total_images = generator, codes, w, batch, total_images
        self.spread = w.var(dim=0, correction=0).sum()
        self.rotation = code_rotation(generator.z_dim).to(codes)
        mapping = generator.mapping.requires_grad_(True)
        weights, biases = ([p for p in mapping.parameters() if p.ndim == dimensions] for dimensions in (2, 1))
        brake = mapping.fc0.rate  # the mapping's own multiplier (0.01 as a rule), of no use where w are known
        self.modules: Mapping[str, nn.Module] = {"mapping": mapping}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "weights": torch.optim.Muon([parameter_group(weights, rate / brake)], weight_decay=0.0),
            "biases": torch.optim.Adam([parameter_group(biases, BIAS_RATE / brake)], betas=(0.9, 0.99)),
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        rows = torch.randint(len(self.w), (self.batch,), generator=generator).to(self.w.device)
        codes, w = self.codes[rows].repeat(2, 1), self.w[rows]
        noise = torch.randn(len(codes), self.generator.z_dim - codes.shape[1], generator=generator).to(codes)
        one, other = self.generator.map(latent_of(codes, noise, self.rotation)).chunk(2)
        loss = energy_score(one, other, w)
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images, floor=0.0))
            optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {"mapping": loss.detach(), "told": 1 - mean_error(one, other, w).detach() / self.spread}


def energy_score(
    one: Float[Tensor, "batch w_dim"], other: Float[Tensor, "batch w_dim"], w: Float[Tensor, "batch w_dim"]
) -> Float[Tensor, ""]:
    """ES of the module, from two draws for each w."""
    return ((_length(one - w) + _length(other - w)) / 2 - _length(one - other) / 2).mean()


def mean_error(
    one: Float[Tensor, "batch w_dim"], other: Float[Tensor, "batch w_dim"], w: Float[Tensor, "batch w_dim"]
) -> Float[Tensor, ""]:
    """Mean of |E M(code, ·) − w|², without the noise's own variance: the product of two independent errors has their mean squared for
    expectation."""
    return ((one - w) * (other - w)).sum(dim=1).mean()


def _length(x: Float[Tensor, "batch w_dim"]) -> Float[Tensor, " batch"]:
    return (x.square().sum(dim=1) + 1e-6).sqrt()
