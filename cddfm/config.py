"""Options of a command: frozen, typed, printed, saved; unknown keys are refused with the nearest valid one."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from cddfm.errors import UserError


class Options(BaseModel):
    """Base of every stage's options. Counts are in images; a subclass states its presets as changes to its defaults."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: ClassVar[dict[str, dict[str, object]]] = {"tiny": {}, "small": {}, "large": {}}

    seed: int = 0
    total_images: int
    batch: int

    def record(self) -> dict[str, Any]:
        """What is kept with a finished network: folders that it started from by their names alone, which are all that means something on
        another machine."""
        options = self.model_dump()
        start = options.get("start")
        if not start:
            return options
        return options | {"start": Path(start).name if isinstance(start, str) else tuple(Path(folder).name for folder in start)}


OptionsKind = TypeVar("OptionsKind", bound=Options)


def nearest(name: str, valid: Sequence[str]) -> str:
    """A sentence part that helps: the nearest valid name where there is one, else all of them."""
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"valid are {', '.join(valid)}"


def _parts(text: str) -> list[str]:
    """`toon,clay` → its parts; nothing for an empty text."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _entries(text: str) -> dict[str, str]:
    """`toon=12000,clay=4000` → its entries. Raises UserError for a part without `=`."""
    entries = {}
    for part in _parts(text):
        name, separator, value = part.partition("=")
        if not separator:
            raise UserError(f"{text!r} needs name=value in each of its parts, got {part!r}")
        entries[name.strip()] = value.strip()
    return entries


FORMS = {tuple: _parts, dict: _entries}
"""Kind of an option → what its text is taken apart by, where it is more than one value."""


def resolve(kind: type[OptionsKind], preset: str, assignments: Sequence[str] = ()) -> OptionsKind:
    """Defaults ← preset ← `key=value` assignments. Raises UserError for an unknown preset or key, or a value that does not fit."""
    if preset not in kind.presets:
        raise UserError(f"there is no preset {preset!r}: {nearest(preset, list(kind.presets))}")
    values = dict(kind.presets[preset])
    for assignment in assignments:
        key, separator, value = assignment.partition("=")
        if not separator:
            raise UserError(f"--set needs key=value, got {assignment!r}")
        if key not in kind.model_fields:
            raise UserError(f"there is no option {key!r}: {nearest(key, list(kind.model_fields))}")
        form = FORMS.get(get_origin(kind.model_fields[key].annotation))
        values[key] = form(value) if form else value
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise UserError(f"option {where}={first.get('input')!r} does not fit: {first['msg']}") from error
