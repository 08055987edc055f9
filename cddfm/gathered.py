"""Many tensors read as one, without a copy: what lies in the files of a pool stays there, mapped into memory, and processes share it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from jaxtyping import Int
from torch import Tensor


class Gathered:
    """Rows of several tensors of one kind, one after the other. parts: at least one, alike but for their lengths."""

    def __init__(self, parts: Sequence[Tensor]):
        self.parts = tuple(parts)
        self.ends = torch.tensor(list(accumulate(len(part) for part in self.parts)))

    @property
    def shape(self) -> torch.Size:
        return torch.Size([len(self), *self.parts[0].shape[1:]])

    @property
    def device(self) -> torch.device:
        return self.parts[0].device

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, rows: Int[Tensor, " some"]) -> Tensor:
        """Rows by their numbers, from 0 and on any device: a new tensor."""
        rows = rows.cpu()
        if len(rows) == 0:
            return self.parts[0][:0]
        if int(rows.min()) < 0 or int(rows.max()) >= len(self):
            raise IndexError(f"rows are 0 to {len(self) - 1}, not {int(rows.min())} to {int(rows.max())}")
        places = torch.bucketize(rows, self.ends, right=True)
        within = rows - torch.cat([self.ends.new_zeros(1), self.ends])[places]
        return torch.stack([self.parts[place][row] for place, row in zip(places.tolist(), within.tolist(), strict=True)])

    def to(self, device: torch.device | str) -> Gathered:
        return Gathered([part.to(device) for part in self.parts])


def gather(tensors: Sequence[Tensor | Gathered]) -> Gathered | Tensor:
    """All of their rows; one tensor as it is."""
    parts = [part for tensor in tensors for part in (tensor.parts if isinstance(tensor, Gathered) else [tensor])]
    return parts[0] if len(parts) == 1 else Gathered(parts)
