"""Interactive edits: synthesise again only from the first style layer that changed.

A picture is drawn one style layer after another (`Synthesis.step`), and what layer k reads depends on the layers before it alone. `Replay`
keeps what every layer read for the last picture, so that an edit of late layers (light, skin) costs the late layers only. Kept are all
feature maps: about 0.5 GB in float32 for one picture at 1024 px.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from cuda_ops.precision import Precision
from stylespace.code import StyleLayer
from stylespace.generator import Activations, Generator

Fingerprint = tuple[tuple[int, int | None], ...]
"""Where each weight lies and how often it was written to."""


class Replay:
    """Draws pictures of one generator, the next from what it kept of the last; each equals `Generator.synthesise` bit for bit.

    noise, precision: as of `synthesise`, but fresh noise cannot be replayed.

    It notices what would make the kept activations wrong: another batch size, device or type, and weights that were replaced or changed in
    place. Only writes through `.data` (or to inference tensors) pass unseen: call `forget` after them. No gradients; not for several
    threads at once.
    """

    def __init__(self, generator: Generator, noise: Literal["const", "none"] = "const", precision: Precision = "exact"):
        self.generator, self.noise, self.precision = generator, noise, precision
        self.forget()

    def forget(self) -> None:
        """Let go of the last picture; the next one is drawn from the start."""
        self._s: Tensor | None = None
        self._weights: Fingerprint = ()
        self._read: list[Activations | None] = [None] * len(self.generator.style_layout.layers)

    @torch.no_grad()
    def generate_from(
        self, s: Float[Tensor, "batch style_dim"], changed_from: str | int | None = None
    ) -> Float[Tensor, "batch 3 height width"]:
        """The picture of s. changed_from: the first style layer (name or place in execution order) in which s may differ from the last
        call's; None: found by comparison. Raises ValueError if s differs before that layer, where the kept activations would be wrong.
        """
        synthesis, layout = self.generator.synthesis, self.generator.style_layout
        styles = layout.split(s)
        weights = self._fingerprint()
        first = self._first_to_draw(s, changed_from, weights)
        if first == 0:
            self._read[0] = synthesis.start(s.shape[0], self.precision)
        self._s = None  # whatever interrupts the drawing leaves nothing half valid behind
        # Released before they are drawn again, so that their memory serves the new ones.
        self._read[first + 1 :] = [None] * (len(layout.layers) - first - 1)
        for index in range(first, len(layout.layers)):
            activations = synthesis.step(layout.layers[index], self._read[index], styles[index], self.noise)
            if index + 1 < len(layout.layers):
                self._read[index + 1] = activations
        self._s, self._weights = s.clone(), weights
        return activations.image.contiguous()  # the last layer's answer is the caller's alone, who may write to it

    def _first_to_draw(self, s: Tensor, changed_from: str | int | None, weights: Fingerprint) -> int:
        layout = self.generator.style_layout
        promised = layout.index(changed_from) if isinstance(changed_from, str) else changed_from
        last = len(layout.layers) - 1
        if promised is not None and not 0 <= promised <= last:
            raise ValueError(f"there is no style layer {promised}; they count from 0 to {last}")
        if weights != self._weights or not _alike(s, self._s):
            return 0
        changed = _first_changed(s, self._s, layout.layers)
        if promised is None:
            return min(changed, last)
        if changed < promised:
            names = layout.names
            raise ValueError(f"s was promised to change from {names[promised]} on, but {names[changed]} differs; leave changed_from out")
        return promised

    def _fingerprint(self) -> Fingerprint:
        synthesis = self.generator.synthesis
        tensors = (*synthesis.parameters(), *synthesis.buffers())
        return tuple((tensor.data_ptr(), None if tensor.is_inference() else tensor._version) for tensor in tensors)


def _alike(s: Tensor, other: Tensor | None) -> bool:
    """Whether two style codes are of one batch size, type and device."""
    return other is not None and s.shape == other.shape and s.dtype == other.dtype and s.device == other.device


def _first_changed(s: Tensor, other: Tensor, layers: tuple[StyleLayer, ...]) -> int:
    """Place of the first layer in which two style codes differ; the number of layers where none does."""
    differs = (s != other).any(dim=0).tolist()
    return next((index for index, layer in enumerate(layers) if any(differs[layer.slice])), len(layers))
