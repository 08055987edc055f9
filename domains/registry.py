"""The name of a domain → its generator, in the folder of one stack, and what it starts from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from stylespace.generator import Generator
from stylespace.weights import WeightsError, load_network

SOURCE = "portrait"
"""The domain that every other one was finetuned from; its generator is the stack's own."""


Value = TypeVar("Value")


@dataclass(frozen=True)
class ForDomains(Generic[Value]):
    """What the source has for itself, and what all other domains have: they draw a picture by another code (stylespace.invert)."""

    own: Value
    elsewhere: Value

    def of(self, domain: str) -> Value:
        return self.own if domain == SOURCE else self.elsewhere


def domain_names(stack_folder: Path) -> list[str]:
    """The source domain first, then those finetuned from it, by name."""
    return [SOURCE, *sorted(path.stem for path in (stack_folder / "domains").glob("[!.]*.safetensors"))]


def domain_path(stack_folder: Path, name: str) -> Path:
    """Where the generator of a domain lies, whether it exists or not."""
    return stack_folder / ("generator.safetensors" if name == SOURCE else f"domains/{name}.safetensors")


def load_domain(stack_folder: Path, name: str) -> Generator:
    """The generator of a domain, in evaluation mode on the CPU. What its file leaves out, as finetuning froze it, is the source's.

    Raises WeightsError for an unknown name (with the nearest valid one and all of them), and as `load_network` does.
    """
    valid = domain_names(stack_folder)
    if name not in valid:
        close = difflib.get_close_matches(name, valid, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise WeightsError(f"there is no domain {name!r} in {stack_folder}; {hint}the domains are {', '.join(valid)}")
    source = domain_path(stack_folder, SOURCE)
    return load_network(domain_path(stack_folder, name), Generator, lambda: load_network(source, Generator).state_dict())
