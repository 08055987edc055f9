"""A generator from scratch on a world that knows the code of every picture.

Four stages, each driven by the caller's loop:

1. `WarmStart`: a style generator behind an encoder (picture → w → picture). Colours, outlines and pose come many times faster this
   way than from an adversarial start.
2. `MappingFit`: the mapping network learns to send the Gaussian code of a picture to the w that the encoder finds for it; no pictures
   are made, so it is nearly free.
3. `Joint`: generator, encoder and mapping together by the picture loss, from encoded pictures and from mapped codes.
4. `Adversarial`: StyleGAN2 (Karras et al. 2020: non-saturating logistic loss, lazy R1, lazy path length, EMA). Half of each
   batch is decoded from encoded pictures, half from mapped codes; both also keep a picture loss against the picture that the code
   belongs to, so no mode is lost and the encoder stays an inverse of the generator.

What differs from StyleGAN2: the first three stages, the two picture terms, and z, which is a fixed rotation of (scene code, noise);
since both are standard normal, z ~ N(0, I) as ever, and sampling needs no scene code.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from domains.adversary import ADAM, discriminator_step, parameter_group, set_rates
from stylespace.discriminator import Discriminator
from stylespace.encoder import Encoder
from stylespace.generator import Generator
from stylespace.objectives import (
    PathLength,
    ema_update,
    generator_loss,
    picture_loss,
)
from stylespace.schedule import rate_at

Reals = Callable[[int, int, torch.Generator], tuple[Tensor, Tensor]]
"""(position, count, generator) → pictures [count, 3, R, R] in [−1, 1] and their scene codes [count, code_dim]."""

PATH_INTERVAL = 8


def code_rotation(z_dim: int) -> Float[Tensor, "z_dim z_dim"]:
    """A fixed random rotation, so that no single z is a single property of the world."""
    gaussian = torch.randn(z_dim, z_dim, generator=torch.Generator().manual_seed(20))
    orthogonal, triangular = torch.linalg.qr(gaussian)
    return orthogonal * triangular.diagonal().sign()


def latent_of(codes: Float[Tensor, "batch code"], rotation: Tensor, generator: torch.Generator) -> Float[Tensor, "batch z"]:
    """z = R (code, noise). Raises ValueError when the code is longer than z."""
    spare = rotation.shape[0] - codes.shape[1]
    if spare < 0:
        raise ValueError(f"a scene code of {codes.shape[1]} numbers does not fit into z of {rotation.shape[0]}; raise z_dim")
    noise = torch.randn(codes.shape[0], spare, generator=generator).to(codes.device)
    return torch.cat([codes, noise], dim=1) @ rotation.T


class WarmStart:
    """Autoencoder through the generator, growing: low resolutions learn where things are at a fraction of the cost.

    grow: (resolution, share of total_images by which it ends) for every resolution below the generator's own. rate: Adam's learning rate.
    code_noise: standard deviation of the noise on the encoder's w, which keeps the space smooth. drawn: the
    resolution up to which the generator draws already; colours above it start at zero, so that a block that is added changes nothing at
    first. middle: how much more the picture's middle counts (objectives.middle_weight).
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        reals: Reals,
        batch: int,
        total_images: int,
        grow: Sequence[tuple[int, float]] = (),
        rate: float = 2e-3,
        code_noise: float = 0.05,
        drawn: int = 4,
        middle: float = 0.0,
    ):
        self.generator, self.encoder, self.reals = generator, encoder, reals
        self.batch, self.total_images, self.grow, self.code_noise, self.middle = batch, total_images, grow, code_noise, middle
        for layer in generator.style_layout.layers:
            if layer.is_torgb and layer.resolution > drawn:
                nn.init.zeros_(generator.synthesis.get_submodule(layer.name).weight)
        parameters = [*generator.synthesis.parameters(), *encoder.parameters()]
        optimizer = torch.optim.Adam([parameter_group(parameters, rate)], betas=(0.9, 0.99))
        self.modules: Mapping[str, nn.Module] = {"generator": generator, "encoder": encoder}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {"generator": optimizer}

    def resolution_at(self, position: int) -> int:
        """The resolution that is trained after this many images."""
        return next((size for size, end in self.grow if position < end * self.total_images), self.generator.resolution)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        images, _ = self.reals(position, self.batch, generator)
        resolution = self.resolution_at(position)
        optimizer = self.optimizers["generator"]
        set_rates(optimizer, rate_at(position, self.total_images))
        w = self.encoder(images)
        jitter = torch.randn(w.shape, generator=generator).to(w.device) * self.code_noise
        style = self.generator.styles(self.generator.broadcast(w + jitter))
        target = functional.adaptive_avg_pool2d(images, resolution)
        made = self.generator.synthesise(style, noise="none", resolution=resolution)
        loss = picture_loss(made, target, middle=self.middle)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"picture": loss.detach()}


class EncoderStart:
    """The front of an encoder of higher resolution learns to feed the blocks that were taken over from an earlier one: w as before.

    new: names of the encoder's parameters that are trained.
    """

    def __init__(
        self, encoder: Encoder, earlier: Encoder, new: Sequence[str], reals: Reals, batch: int, total_images: int, rate: float = 2e-3
    ):
        self.encoder, self.earlier, self.reals = encoder, earlier.eval().requires_grad_(False), reals
        self.batch, self.total_images = batch, total_images
        parameters = [parameter for name, parameter in encoder.named_parameters() if name in new]
        self.modules: Mapping[str, nn.Module] = {"encoder": encoder}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "encoder": torch.optim.Adam([parameter_group(parameters, rate)], betas=(0.9, 0.99))
        }

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        images, _ = self.reals(position, self.batch, generator)
        optimizer = self.optimizers["encoder"]
        set_rates(optimizer, rate_at(position, self.total_images))
        loss = (self.encoder(images) - self.earlier(images)).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"w": loss.detach()}


class MappingFit:
    """Regression of the encoded w of every picture in the pool from its code; the spare numbers of z are fresh noise at every step."""

    def __init__(
        self,
        generator: Generator,
        codes: Float[Tensor, "n code"],
        w: Float[Tensor, "n w_dim"],
        batch: int,
        total_images: int,
        rate: float = 1.0,
    ):
        self.generator, self.codes, self.w = generator, codes, w
        self.batch, self.total_images = batch, total_images
        parameters = list(generator.mapping.parameters())
        self.modules: Mapping[str, nn.Module] = {"mapping": generator.mapping}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "mapping": torch.optim.Adam([parameter_group(parameters, rate)], betas=(0.9, 0.99))
        }
        self.rotation = code_rotation(generator.z_dim).to(codes.device)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        optimizer = self.optimizers["mapping"]
        set_rates(optimizer, rate_at(position, self.total_images))
        indices = torch.randint(len(self.codes), (self.batch,), generator=generator).to(self.codes.device)
        mapped = self.generator.map(latent_of(self.codes[indices], self.rotation, generator))
        loss = (mapped - self.w[indices]).square().mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return {"mapping": loss}


class Joint:
    """Generator, encoder and mapping together by the picture loss alone: half of each batch is decoded from encoded pictures, half from
    mapped codes, which know what an encoder has yet to learn to see.

    agreement: weight of the mean squared difference of the two w of a picture. middle: how much more the picture's middle counts.
    mapping_boost: as for `Adversarial`.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        reals: Reals,
        batch: int,
        total_images: int,
        rate: float = 2e-3,
        agreement: float = 0.1,
        middle: float = 0.0,
        mapping_boost: float = 30.0,
    ):
        self.generator, self.encoder, self.reals = generator, encoder, reals
        self.batch, self.total_images, self.agreement, self.middle = batch, total_images, agreement, middle
        self.modules: Mapping[str, nn.Module] = {"generator": generator, "encoder": encoder}
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(
                [
                    parameter_group([*generator.synthesis.parameters(), *encoder.parameters()], rate),
                    parameter_group(list(generator.mapping.parameters()), rate * mapping_boost),
                ],
                betas=(0.9, 0.99),
            )
        }
        self.rotation = code_rotation(generator.z_dim)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        images, codes = self.reals(position, self.batch, generator)
        optimizer = self.optimizers["generator"]
        set_rates(optimizer, rate_at(position, self.total_images))
        encoded = self.encoder(images)
        mapped = self.generator.map(latent_of(codes, self.rotation.to(codes.device), generator))
        half = images.shape[0] // 2
        style = self.generator.styles(self.generator.broadcast(torch.cat([encoded[:half], mapped[half:]])))
        pictures = self.generator.synthesise(style, noise="none")
        from_encoder = picture_loss(pictures[:half], images[:half], middle=self.middle)
        from_mapping = picture_loss(pictures[half:], images[half:], middle=self.middle)
        apart = (encoded - mapped).square().mean()
        optimizer.zero_grad(set_to_none=True)
        ((from_encoder + from_mapping) / 2 + self.agreement * apart).backward()
        optimizer.step()
        with torch.no_grad():
            self.generator.w_avg.lerp_(mapped.mean(dim=0), 0.005)
        return {"encoded": from_encoder.detach(), "mapped": from_mapping.detach(), "apart": apart.detach()}


class Adversarial:
    """StyleGAN2 training with the encoder kept as an inverse of the generator.

    gamma: R1 weight (× 0.5, StyleGAN2's). path_weight: path-length weight, 0 switches it off. picture_weight: weight of the picture
    terms beside the adversarial one. mapping_boost: factor on the learning
    rate of the mapping network, whose own multiplier (0.01) is a brake where its codes are supervised. ema_images: half-life of the moving
    average in images. middle: how much more the picture's middle counts in the picture terms.
    """

    def __init__(
        self,
        generator: Generator,
        encoder: Encoder,
        discriminator: Discriminator,
        reals: Reals,
        batch: int,
        total_images: int,
        rate: float = 1.5e-3,
        gamma: float = 1.0,
        path_weight: float = 1.0,
        picture_weight: float = 3.0,
        mapping_weight: float = 1.0,
        mapping_boost: float = 30.0,
        ema_images: float = 5000.0,
        middle: float = 0.0,
    ):
        self.generator, self.encoder, self.discriminator, self.reals = generator, encoder, discriminator, reals
        self.batch, self.total_images = batch, total_images
        self.gamma, self.path_weight, self.picture_weight = gamma, path_weight, picture_weight
        self.mapping_weight, self.ema_images, self.middle = mapping_weight, ema_images, middle
        self.average = copy.deepcopy(generator).eval().requires_grad_(False)
        self.average_encoder = copy.deepcopy(encoder).eval().requires_grad_(False)
        self.path = PathLength().to(next(generator.parameters()).device)
        self.modules: Mapping[str, nn.Module] = {
            "generator": generator,
            "encoder": encoder,
            "discriminator": discriminator,
            "average": self.average,
            "average_encoder": self.average_encoder,
            "path": self.path,
        }
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "generator": torch.optim.Adam(
                [
                    parameter_group([*generator.synthesis.parameters(), *encoder.parameters()], rate),
                    parameter_group(list(generator.mapping.parameters()), rate * mapping_boost),
                ],
                **ADAM,
            ),
            "discriminator": torch.optim.Adam([parameter_group(list(discriminator.parameters()), rate)], **ADAM),
        }
        self.rotation = code_rotation(generator.z_dim)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        """Generator first, then the discriminator on the same fakes (one synthesis instead of two)."""
        images, codes = self.reals(position, self.batch, generator)
        index = position // self.batch
        for optimizer in self.optimizers.values():
            set_rates(optimizer, rate_at(position, self.total_images))
        fakes, metrics = self._generator_step(images, codes, index, generator)
        critic = self.optimizers["discriminator"]
        metrics |= discriminator_step(self.discriminator, critic, images, fakes, index, self.gamma)
        beta = 0.5 ** (self.batch / min(self.ema_images, 0.1 * (position + self.batch)))
        ema_update(self.average, self.generator, beta)
        ema_update(self.average_encoder, self.encoder, beta)
        return metrics

    def _generator_step(
        self, images: Tensor, codes: Tensor, index: int, generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor | float]]:
        encoded_w = self.encoder(images)
        mapped_w = self.generator.map(latent_of(codes, self.rotation.to(codes.device), generator))
        half = images.shape[0] // 2
        w = torch.cat([encoded_w[:half], mapped_w[half:]])
        fakes = self.generator.synthesise(self.generator.styles(self.generator.broadcast(w)), noise=generator)
        self.discriminator.requires_grad_(False)
        adversarial = generator_loss(self.discriminator(fakes))
        picture = picture_loss(fakes, images, middle=self.middle)
        mapping = (mapped_w - encoded_w.detach()).square().mean()
        loss = adversarial + self.picture_weight * picture + self.mapping_weight * mapping
        metrics: dict[str, Tensor | float] = {"adversarial": adversarial, "picture": picture, "mapping": mapping}
        if self.path_weight and index % PATH_INTERVAL == 0:
            few = self.generator.broadcast(mapped_w[: max(2, half // 2)].detach().requires_grad_())
            pictures = self.generator.synthesise(self.generator.styles(few), noise="const")
            penalty = self.path(pictures, few, generator)
            loss = loss + self.path_weight * PATH_INTERVAL * penalty
            metrics["path"] = penalty
        optimizer = self.optimizers["generator"]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            self.generator.w_avg.lerp_(mapped_w.mean(dim=0), 0.005)
        return fakes.detach(), metrics
