"""Expressions by name for models that have them only as principal components, or not at all: measured against the built-in head.

The built-in head's `jawOpen`, `mouthSmile_L`, … are carried to the foreign head as displacements of its vertices and landmarks; what its
own components can do of each is found by least squares with a Gaussian prior on the coefficients, which are in standard deviations:

    c = argmin ½ Σ_v w_v |B_v c − d_v|² + ½ mean_l |B_l c − d_l|² + PRIOR |c|²        Σ_v w_v = 1
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cddfm.head import Head
from cddfm.morphable.register import Match

PRIOR = 2e-4
"""cm²: one standard deviation of a component is worth a mean error of 0.14 mm."""

EXPLAINED = 0.3
"""Share of the wanted motion (squared) that a direction must reach to be offered under the name."""

STILL = 1e-8
"""cm²: a mean squared motion below this is none."""

SIDES = ("_L", "_R")


@dataclass(frozen=True)
class Directions:
    """names, table [names, components] at strength 1; explained: share of the wanted squared motion, for every name that was tried."""

    names: tuple[str, ...]
    table: np.ndarray
    explained: dict[str, float]


def missing_names(head: Head, own: tuple[str, ...]) -> list[str]:
    """The built-in head's expressions that the model has neither by name nor as a pair."""
    pairs = {name.removesuffix("_L") for name in own if name.endswith("_L") and f"{name[:-2]}_R" in own}
    return [name for name in head.model.expression_names if name not in own and name not in pairs]


def borrowed(head: Head, match: Match) -> np.ndarray:
    """The built-in head's expressions as displacements of the foreign head's vertices, [expressions, V, 3] in cm."""
    carried = match.carry(head.model.expression_basis.numpy().astype(np.float64))
    return (match.scale * carried * match.trust[:, None]).astype(np.float32)


def solve_directions(
    head: Head, match: Match, basis: np.ndarray, named: bool, own: tuple[str, ...], landmarks: np.ndarray, skin: np.ndarray
) -> Directions:
    """basis [E, V, 3] in cm; landmarks [68] vertices; skin [V]: the vertices that count. named: components run from 0 to 1, so that a
    direction takes them forwards only."""
    names = missing_names(head, own)
    if not names or not len(basis):
        return Directions((), np.zeros((0, len(basis)), np.float32), {})
    model, goals = head.model, _goals(head, names)
    chosen = np.flatnonzero(skin & (match.trust > 0.5))
    weight = match.trust[chosen] / match.trust[chosen].sum()
    ours = np.stack(list(goals.values()))
    face = match.scale * np.einsum("jvkn,vk->jvn", ours[:, match.neighbours[chosen]], match.weights[chosen])
    marks = match.scale * ours[:, model.landmarks.numpy()]

    def stacked(on_face: np.ndarray, on_marks: np.ndarray) -> np.ndarray:
        """[m, numbers] so that plain squares are the weighted ones."""
        parts = (on_face * np.sqrt(0.5 * weight)[:, None], on_marks * np.sqrt(0.5 / on_marks.shape[1]))
        return np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)

    moves = stacked(basis[:, chosen].astype(np.float64), basis[:, landmarks].astype(np.float64))
    wanted = stacked(face, marks)
    solutions = np.stack([_solve(moves, goal, named) for goal in wanted])
    left, whole = ((solutions @ moves - wanted) ** 2).sum(1), (wanted**2).sum(1)
    # What moves no skin (a look to the side moves eyeballs) is no direction of the skin.
    share = dict(zip(goals, np.where(whole > STILL, 1.0 - left / np.maximum(whole, STILL), 0.0).tolist(), strict=True))
    kept = _offered(share)
    table = solutions[[list(goals).index(name) for name in kept]]
    return Directions(tuple(kept), table.astype(np.float32), share)


def _goals(head: Head, names: list[str]) -> dict[str, np.ndarray]:
    """Wanted displacements of the built-in head's vertices by name; pairs also as both sides together, under their common name."""
    own = dict(zip(head.model.expression_names, head.model.expression_basis.numpy().astype(np.float64), strict=True))
    goals = {name: own[name] for name in names}
    for name in names:
        if name.endswith(SIDES[0]) and (other := name[:-2] + SIDES[1]) in names:
            goals[name[:-2]] = own[name] + own[other]
    return goals


def _offered(share: dict[str, float]) -> list[str]:
    """Names that are reached well enough. A pair is offered by its sides if both are reached, else as one."""
    pairs = [name for name in share if name + SIDES[0] in share and name + SIDES[1] in share]
    split = {name for name in pairs if min(share[name + side] for side in SIDES) >= EXPLAINED}
    hidden = split | {name + side for name in pairs if name not in split for side in SIDES}
    return [name for name, value in share.items() if value >= EXPLAINED and name not in hidden]


def _solve(moves: np.ndarray, goal: np.ndarray, forwards: bool) -> np.ndarray:
    from scipy.optimize import nnls

    if forwards:
        matrix = np.concatenate([moves.T, np.sqrt(PRIOR) * np.eye(len(moves))])
        return nnls(matrix, np.concatenate([goal, np.zeros(len(moves))]))[0]
    return np.linalg.solve(moves @ moves.T + PRIOR * np.eye(len(moves)), moves @ goal)
