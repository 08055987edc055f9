"""Training of the StyleRig base: first the DFR, self-supervised, then the RigNets on pairs of codes (Tewari et al., CVPR 2020).

Differences from the paper, on purpose: landmarks come from the estimator, which stands where the landmark detector stood; an optional
direct term compares parameters with the estimator's, so that few pictures per step need be rendered (rendering is the costly part).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cddfm.morphable import MorphableModel
from cddfm.objectives import descend, group_errors, landmark_error, photometric_error, resized
from cddfm.params import ATTRIBUTES, GROUPS, FaceParams
from cddfm.reconstruct import Reconstructor
from cddfm.render import project_landmarks, render
from cddfm.rig import StyleRig
from cddfm.stages.sampling import Population, mixed_styles, restored
from stylespace.generator import Generator
from stylespace.schedule import rate_at


def fit_rig(rig: StyleRig, population: Population) -> None:
    """Give the rig the statistics that it standardises by."""
    rig.styles.fit(population.styles)
    rig.statistics.fit(population.params)


class _BaseStage:
    """What both stages hold: frozen generator and estimator, the render loss, the learning rate's course."""

    def __init__(
        self,
        *,
        rig: StyleRig,
        generator: Generator,
        estimator: Reconstructor,
        model: MorphableModel,
        total_images: int,
        batch: int,
        learning_rate: float = 1e-3,
        rendered: int = 2,
        render_resolution: int = 48,
        photometric_weight: float = 2.0,
        landmark_weight: float = 10.0,
        parameter_weight: float = 1.0,
    ):
        """rendered: pictures of each step that get the photometric term. parameter_weight: of standardised parameter errors."""
        self.rig, self.generator, self.estimator, self.model = rig.train(), generator, estimator, model
        for network in (generator, estimator):
            network.eval().requires_grad_(False)
        self.total_images, self.batch, self.learning_rate = total_images, batch, learning_rate
        self.rendered, self.render_resolution = rendered, render_resolution
        self.photometric_weight, self.landmark_weight, self.parameter_weight = photometric_weight, landmark_weight, parameter_weight
        self.modules = {"rig": rig}

    def render_loss(
        self, params: FaceParams, images: Float[Tensor, "batch 3 _ _"], landmarks: Float[Tensor, "batch 68 2"]
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """L_render of the paper: masked photometric error on the first `rendered` pictures, and landmarks on all."""
        marks = landmark_error(project_landmarks(self.model, params), landmarks).mean()
        colour = torch.zeros_like(marks)
        if self.rendered and self.photometric_weight:
            some = slice(0, self.rendered)
            drawn = render(self.model, params[some], self.render_resolution)
            colour = photometric_error(drawn.image, drawn.mask, resized(images[some], self.render_resolution)).mean()
        loss = self.photometric_weight * colour + self.landmark_weight * marks
        return loss, {"photometric": colour.detach(), "landmarks_percent": marks.detach() * 50}


class DFRStage(_BaseStage):
    """Trains the DFR. regularisation_weight: of the mean squared standardised parameters (the paper's statistical term)."""

    def __init__(self, *, population: Population, regularisation_weight: float = 1e-3, **shared):
        super().__init__(**shared)
        self.regularisation_weight = regularisation_weight
        rig = self.rig
        self.modules = {"dfr": rig.dfr, "styles": rig.styles, "statistics": rig.statistics}  # the same whatever the RigNets are
        self.optimizers = {"dfr": torch.optim.Adam(self.rig.dfr.parameters(), lr=self.learning_rate, betas=(0.9, 0.99))}
        fit_rig(self.rig, population)

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        self.rig.dfr.requires_grad_(True)
        with torch.no_grad():
            s = mixed_styles(self.generator, self.batch, generator)
            images = self.generator.synthesise(s)
            target = self.estimator(images)
            landmarks = project_landmarks(self.model, target)
            wanted = self.rig.statistics.standardise(target.flatten())
        standard = self.rig.standard(s)
        loss, report = self.render_loss(restored(self.rig, standard), images, landmarks)
        direct = group_errors(self.rig.layout, standard, wanted).mean()
        loss = loss + self.parameter_weight * direct + self.regularisation_weight * standard.square().mean()
        descend(self.optimizers["dfr"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        return {"loss": loss.detach(), "parameters": direct.detach(), **report}


class RigNetStage(_BaseStage):
    """Trains the RigNets under a frozen DFR; one attribute per step, drawn at random.

    With p = DFR of a code and ŝ = RigNet(w, p_v^τ): reconstruction ‖RigNet(w, p_w^τ) − w‖²; edit L_render(I_v, [p_v with τ from DFR(ŝ)]);
    consistency L_render(I_w, [DFR(ŝ) with τ from p_w]); for (w, v) and (v, w), as one batch of both directions.
    """

    def __init__(
        self, *, reconstruction_weight: float = 1.0, edit_weight: float = 1.0, consistency_weight: float = 1.0, **shared
    ):
        super().__init__(**shared)
        self.reconstruction_weight, self.edit_weight, self.consistency_weight = reconstruction_weight, edit_weight, consistency_weight
        self.optimizers = {"rignets": torch.optim.Adam(self.rig.rignets.parameters(), lr=self.learning_rate, betas=(0.9, 0.99))}

    def term(
        self,
        mixed: Float[Tensor, "batch total"],
        own: Float[Tensor, "batch total"],
        images: Float[Tensor, "batch 3 _ _"],
        columns: Int[Tensor, " columns"],
    ) -> tuple[Float[Tensor, ""], dict[str, Tensor]]:
        """L_render of parameters that should explain `images` as `own` do, plus the direct term on the groups in `columns`."""
        with torch.no_grad():
            landmarks = project_landmarks(self.model, restored(self.rig, own))
        loss, report = self.render_loss(restored(self.rig, mixed), images, landmarks)
        direct = group_errors(self.rig.layout, mixed, own)[:, columns].mean()
        return loss + self.parameter_weight * direct, {**report, "parameters": direct.detach()}

    def step(self, position: int, generator: torch.Generator) -> Mapping[str, Tensor | float]:
        self.rig.dfr.requires_grad_(False)
        attribute = ATTRIBUTES[int(torch.randint(len(ATTRIBUTES), (), generator=generator))]
        part = self.rig.layout.slices[attribute]
        half = self.batch // 2
        with torch.no_grad():
            source = mixed_styles(self.generator, 2 * half, generator)
            images = self.generator.synthesise(source)
            own = self.rig.standard(source)
        swapped, swapped_images = own.roll(half, dims=0), images.roll(half, dims=0)

        kept = (self.rig.put(source, attribute, own) - source) / self.rig.styles.deviation
        edited = self.rig.standard(self.rig.put(source, attribute, swapped))
        towards = torch.cat([swapped[:, : part.start], edited[:, part], swapped[:, part.stop :]], dim=1)
        staying = torch.cat([edited[:, : part.start], own[:, part], edited[:, part.stop :]], dim=1)
        columns = torch.arange(len(GROUPS), device=own.device)
        index = GROUPS.index(attribute)
        reconstruction = kept.square().mean()
        edit, edit_report = self.term(towards, swapped, swapped_images, columns[columns == index])
        consistency, consistency_report = self.term(staying, own, images, columns[columns != index])
        loss = self.reconstruction_weight * reconstruction + self.edit_weight * edit + self.consistency_weight * consistency
        descend(self.optimizers["rignets"], loss, self.learning_rate * rate_at(position, self.total_images, floor=0.0))
        return {
            "loss": loss.detach(),
            "reconstruction": reconstruction.detach(),
            f"edit_{attribute}": edit_report["parameters"],
            f"consistency_{attribute}": consistency_report["parameters"],
        }
