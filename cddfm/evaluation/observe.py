"""What the judging networks see in pictures: parameters in all of them; in some also where the face is and whose it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cddfm.evaluation.likeness import cosine, face_mask, outside, ssim
from cddfm.params import FaceParams
from cddfm.stack import Stack
from stylespace.weights import WeightsError

Embed = Callable[[Tensor], Tensor]
"""Pictures in [−1, 1] → unit vectors, alike for pictures of one person."""

RECOGNISERS = {"identity": "identity_judge", "identity_trained": "recogniser"}
"""Column → the stack's network behind it: the one that judges alone, and the one that may have trained an editor."""


@dataclass(frozen=True)
class Seen:
    """A batch of pictures as the judges read it. Pictures, masks and embeddings are kept of the first `near` pictures only."""

    flat: Float[Tensor, "batch total"]
    images: Float[Tensor, "near 3 side side"]
    faces: Bool[Tensor, "near 1 side side"]
    embeddings: Mapping[str, Float[Tensor, "near size"]]


class Observer:
    """Reads pictures by the stack's judge and recognisers. `missing`: why a recogniser's column stays empty."""

    def __init__(self, stack: Stack):
        self.model, self.judge = stack.model, stack.judge
        self.embed, self.missing = recognisers(stack)

    @torch.no_grad()
    def see(self, images: Float[Tensor, "batch 3 side side"], near: int = 0) -> Seen:
        params: FaceParams = self.judge(images)
        close = images[:near]
        if not near:
            return Seen(params.flatten(), close, close[:, :1].bool(), {})
        faces = face_mask(self.model, params[:near], images.shape[-1])
        return Seen(params.flatten(), close, faces, {name: embed(close) for name, embed in self.embed.items()})

    def compare(self, before: Seen, after: Seen) -> dict[str, Float[Tensor, " batch"]]:
        """SSIM outside the face and the cosine of each recogniser's embeddings; nan for pictures that were not looked at closely."""
        values = {"ssim_outside": ssim(before.images, after.images, outside(before.faces, after.faces))} if len(after.images) else {}
        values |= {name: cosine(embedding, after.embeddings[name]) for name, embedding in before.embeddings.items()}
        return {name: self._padded(values.get(name), len(after.flat)) for name in ("ssim_outside", *RECOGNISERS)}

    @staticmethod
    def _padded(values: Tensor | None, size: int) -> Float[Tensor, " size"]:
        column = torch.full((size,), torch.nan)
        if values is not None:
            column[: len(values)] = values.cpu()
        return column


def recognisers(stack: Stack) -> tuple[dict[str, Embed], dict[str, str]]:
    """Column → embedding, of the recognisers that the stack has; and column → why there is none."""
    found: dict[str, Embed] = {}
    missing: dict[str, str] = {}
    for column, name in RECOGNISERS.items():
        try:
            network = getattr(stack, name, None)
        except WeightsError:
            if stack.path(name).is_file():
                raise
            network = None
        if network is not None:
            found[column] = network.embed
        else:
            missing[column] = f"the stack has no network {name!r}"
    return found, missing
