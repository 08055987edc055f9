"""What test_parallel.py has torchrun start: toy trainings in a team, then a command. Usage: team_worker.py FOLDER COMMAND...

Writes what each process holds in the end to FOLDER/rank<N>.pt.
"""

import sys
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from cddfm.cli import app
from cddfm.config import Options
from cddfm.loop import train
from cddfm.parallel import joined
from stylespace.weights import save_network


class Toy(Options):
    total_images: int = 32
    batch: int = 4


class Line(nn.Module):
    """One layer, a running mean of its inputs, a layer that is used by the first half of all pictures only, and one that nobody uses."""

    def __init__(self):
        super().__init__()
        self.layer, self.early, self.idle = nn.Linear(3, 1), nn.Linear(3, 1), nn.Linear(3, 1)
        self.register_buffer("seen", torch.zeros(3))


class Regression:
    """Deterministic but for `noise`: the pictures are a function of their position."""

    def __init__(self, batch: int, total: int, noise: float = 0.0):
        torch.manual_seed(0)
        self.batch, self.total, self.noise = batch, total, noise
        self.line = Line()
        self.average = nn.Linear(3, 1)
        self.modules = {"line": self.line, "average": self.average}
        self.optimizers = {"line": torch.optim.SGD(self.line.parameters(), lr=0.1, momentum=0.9)}
        self.data = torch.randn(total, 4, generator=torch.Generator().manual_seed(1))

    def step(self, position, generator):
        rows = self.data[position : position + self.batch]
        rows = rows + self.noise * torch.randn(rows.shape, generator=generator)
        guess = self.line.layer(rows[:, :3])
        early = torch.arange(position, position + self.batch) % 8 < 4
        if early.any():
            guess = guess + self.line.early(rows[:, :3]) * early[:, None]
        loss = (guess - rows[:, 3:]).square().mean()
        self.optimizers["line"].zero_grad(set_to_none=True)
        loss.backward()
        self.optimizers["line"].step()
        with torch.no_grad():
            self.line.seen.lerp_(rows[:, :3].mean(dim=0), 0.1)
            self.average.weight.lerp_(self.line.layer.weight, 1 / (1 + position))
        return {"loss": loss.detach(), f"loss_at_{position % 8}": loss.detach()}


def toys(folder: Path) -> dict[str, object]:
    plain = Regression(4, 32)
    assert train(plain, Toy(), folder / "plain", "plain")
    whole, first, rest = (Regression(4, 32, noise=0.1) for _ in range(3))
    assert train(whole, Toy(), folder / "whole", "whole")
    assert train(first, Toy(total_images=16), folder / "parts", "first")
    assert train(rest, Toy(), folder / "parts", "rest")
    stages = {"plain": plain, "whole": whole, "rest": rest}
    return {name: {key: module.state_dict() for key, module in stage.modules.items()} for name, stage in stages.items()}


def main(folder: Path, command: list[str]) -> None:
    with joined("cpu") as team:
        found = toys(folder)
        with team.one_first():
            found["goes_first"] = not (folder / "through").exists()
            (folder / "through").write_text("")
        found["agreed"] = team.agree(team.rank == 1, False, True)
        found["told"] = team.tell(f"from {team.rank}")
    with patch("cddfm.recipes.reconstruction.save_network", wraps=save_network) as saved:
        app(command, standalone_mode=False)
    found["network"] = saved.call_args.args[1].state_dict()
    torch.save(found, folder / f"rank{team.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
