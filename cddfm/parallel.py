"""By whom a training is run: one process alone, or a team of them that torchrun started, on one machine or several.

Every process of a team holds the same networks and takes the same steps, each on its own share of the images: N processes do at once
what one would do in N steps, and move the networks once, by the mean of the gradients. No stage knows of it.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from cddfm.errors import UserError
from cddfm.precision import Precision, choose_precision
from cddfm.report import messages, results

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Value = TypeVar("Value")

LONGEST_WAIT = timedelta(hours=24)
"""For each other: one process may be drawing a pool of portraits. Whoever dies is noticed by torchrun at once."""

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}
"""Decisions travel between processors even where gradients travel between GPUs, so that nobody waits for a device to decide."""


@dataclass(frozen=True)
class Team:
    """The processes that train together, seen from one of them. Alone, nothing is sent and every value comes back as it is.

    rank: this process, 0 to size − 1; the first leads: it alone reports and writes. precision: what trained networks convolve in.
    """

    rank: int = 0
    size: int = 1
    precision: Precision = "fp32"
    fabric: Fabric | None = None

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def tell(self, value: Value) -> Value:
        """The leader's value, in every process."""
        return value if self.fabric is None else self.fabric.broadcast(value)

    def agree(self, *mine: bool) -> list[bool]:
        """For each question: does any process say yes?"""
        if self.size == 1:
            return list(mine)
        answers = torch.tensor(mine, dtype=torch.int32)
        distributed.all_reduce(answers, distributed.ReduceOp.MAX)
        return [bool(answer) for answer in answers.tolist()]

    def wait(self) -> None:
        """Until every process is here."""
        self.agree(False)

    @contextmanager
    def one_first(self) -> Iterator[None]:
        """One process of each machine goes through the block first, the others when it is done: what it writes, they read."""
        first = self.fabric is None or self.fabric.local_rank == 0
        if not first:
            self.wait()
        yield
        if first:
            self.wait()

    def merged(self, mine: Mapping[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
        """(sum, count) by name, added up over the team; a name that only some know counts all the same."""
        everyone: list[Any] = [dict(mine)] * self.size
        if self.size > 1:
            distributed.all_gather_object(everyone, dict(mine))
        names = dict.fromkeys(name for known in everyone for name in known)
        rows = {name: [known[name] for known in everyone if name in known] for name in names}
        return {name: (sum(total for total, _ in row), sum(count for _, count in row)) for name, row in rows.items()}

    @torch.no_grad()
    def spread(self, tensors: Iterable[Tensor]) -> None:
        """The leader's numbers into everybody's tensors, in place; one message for each type of number."""
        if self.size == 1:
            return
        kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
        for tensor in tensors:
            kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
        for some in kinds.values():
            flat = _flattened(some)
            distributed.broadcast(flat, src=0)
            if not self.leads:
                _copy_back(flat, some)

    @torch.no_grad()
    def same(self, tensors: Iterable[Tensor]) -> bool:
        """Whether all processes hold the same float32 numbers here, bit for bit (by a sum of the bits, whose order does not matter)."""
        if self.size == 1:
            return True
        sums = torch.stack([tensor.float().contiguous().view(torch.int32).sum(dtype=torch.int64) for tensor in tensors]).cpu()
        low, high = sums.clone(), sums.clone()
        distributed.all_reduce(low, distributed.ReduceOp.MIN)
        distributed.all_reduce(high, distributed.ReduceOp.MAX)
        return torch.equal(low, high)

    @torch.no_grad()
    def average(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients and learning rates of an optimiser ← their means over the team.

        A parameter that some processes have no gradient for counts as zero there; one that nobody has a gradient for is left alone.
        """
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        rates = [float(group["lr"]) for group in optimizer.param_groups]
        facts = torch.tensor([*(parameter.grad is not None for parameter in parameters), *rates], dtype=torch.float64)
        distributed.all_reduce(facts)
        holders, summed = facts.split([len(parameters), len(rates)])
        for group, rate in zip(optimizer.param_groups, summed.tolist(), strict=True):
            group["lr"] = rate / self.size
        moved = [parameter for parameter, count in zip(parameters, holders.tolist(), strict=True) if count > 0]
        if not moved:
            return
        for parameter in moved:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in moved]
        flat = _flattened(gradients)
        distributed.all_reduce(flat)
        _copy_back(flat.div_(self.size), gradients)


def _flattened(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])


def _copy_back(flat: Tensor, tensors: Sequence[Tensor]) -> None:
    for tensor, part in zip(tensors, flat.split([tensor.numel() for tensor in tensors]), strict=True):
        tensor.copy_(part.view(tensor.shape))


class Kept:
    """What a team keeps equal of one stage. Entered around its steps; alone it does nothing.

    From the start everything is the leader's. Optimised parameters stay equal because every process moves them by the same mean. What is
    measured on the way (running statistics, means: buffers) differs with the images, so the leader's is taken after each step. What only
    follows (moving averages of weights) does not act on training, and the leader's is taken when it is saved.
    """

    def __init__(self, team: Team, modules: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Optimizer]):
        self.team, self.optimizers = team, list(optimizers.values())
        self.optimised = [parameter for optimizer in self.optimizers for group in optimizer.param_groups for parameter in group["params"]]
        known = {id(parameter) for parameter in self.optimised}
        parameters = dict.fromkeys(parameter for module in modules.values() for parameter in module.parameters())
        self.following = [parameter for parameter in parameters if id(parameter) not in known]
        self.measured = list(dict.fromkeys(buffer for module in modules.values() for buffer in module.buffers()))
        self.hooks = ExitStack()

    def __enter__(self) -> Kept:
        self.team.spread([*self.optimised, *self.following, *self.measured])
        for optimizer in self.optimizers if self.team.size > 1 else ():
            self.hooks.enter_context(optimizer.register_step_pre_hook(lambda moved, *_: self.team.average(moved)))
        return self

    def __exit__(self, *_: object) -> None:
        self.hooks.close()

    def after_step(self) -> None:
        self.team.spread(self.measured)

    def before_saving(self) -> None:
        self.team.spread(self.following)
        if not self.team.same(self.optimised):
            raise RuntimeError("the processes of this training no longer hold the same weights")


ALONE = Team()

_team: ContextVar[Team] = ContextVar("team", default=ALONE)


def team() -> Team:
    """The team that this process belongs to; alone unless `joined` says otherwise."""
    return _team.get()


@contextmanager
def joined(device: str, precision: str = "auto") -> Iterator[Team]:
    """Inside, this process trains as torchrun started it: alone, or in a team of which only the leader is heard.

    device: cpu or cuda; every process of a machine then has a GPU of its own. precision: auto, fp32 or bf16.
    """
    chosen = choose_precision(precision, device)
    together = distributed.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1
    mine = _assembled(device, chosen) if together else Team(precision=chosen)
    token, quiet = _team.set(mine), (messages.quiet, results.quiet)
    if not mine.leads:
        messages.quiet = results.quiet = True
    try:
        yield mine
    finally:
        _team.reset(token)
        messages.quiet, results.quiet = quiet


def _assembled(device: str, precision: Precision) -> Team:
    """Meet the others. lightning-fabric knows how: where the leader listens, which device is whose."""
    size, here = int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if size % here:
        raise UserError(f"torchrun started {here} of {size} processes here; start equally many on every machine (--nproc-per-node)")
    if device == "cuda" and torch.cuda.device_count() < here:
        devices = torch.cuda.device_count()
        raise UserError(f"{here} processes were started here for {devices} GPUs; use torchrun --nproc-per-node {devices}")
    from lightning_fabric import Fabric
    from lightning_fabric.strategies import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    strategy = DDPStrategy(process_group_backend=BACKENDS[device], timeout=LONGEST_WAIT)
    fabric = Fabric(accelerator=device, strategy=strategy, devices=here, num_nodes=size // here)
    if not distributed.is_initialized():  # the meeting place of one torchrun serves once, so the team lasts as long as the process
        atexit.register(distributed.destroy_process_group)
    fabric.launch()
    return Team(fabric.global_rank, fabric.world_size, precision, fabric)
