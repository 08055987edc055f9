"""Where a training command reads and writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folders:
    """stack: finished networks. work: what training needs in between (drawn pools, checkpoints, logs, snapshots)."""

    stack: Path
    work: Path

    @property
    def pools(self) -> Path:
        return self.work / "pools"

    def run(self, stage: str) -> Path:
        return self.work / stage
