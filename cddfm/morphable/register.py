"""The built-in head laid over a foreign one: which point of ours each of its vertices is.

First the built-in head as a whole (similarity and its identity components), then every vertex of it under a stiffness that relaxes, is
drawn to the nearest surface of the foreign head with a like normal: non-rigid iterative closest points (Amberg et al., CVPR 2007). Known
landmarks hold the two together. What one head lacks (ears' backs, the crown of a face mask) is left out by distance and normal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import diags
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from cddfm.head import Head
from cddfm.morphable import meshes

NORMAL_REACH = 1.0
"""Centimetres that two opposite normals count as half of, so that the lips' facing rims are told apart."""

STEPS = ((40.0, 3.0), (12.0, 2.0), (4.0, 1.5), (1.5, 1.0), (0.5, 0.8), (0.2, 0.6), (0.2, 0.6))
"""Stiffness, and the distance in cm beyond which a nearest point is not believed, from the first round to the last."""

WHOLE_ROUNDS = 25
LANDMARK_WEIGHT = 20.0
NOSE_TIP = 30


@dataclass(frozen=True)
class Match:
    """neighbours, weights [V, 3]: vertices of the built-in head and their shares, for every vertex of the foreign head. trust [V]: 1 where
    the heads lie on each other, falling to 0 with the distance. places [68, 3]: where our landmarks came to lie. scale: size of the
    foreign head as a whole against ours."""

    neighbours: np.ndarray
    weights: np.ndarray
    trust: np.ndarray
    places: np.ndarray
    scale: float

    def carry(self, values: np.ndarray) -> np.ndarray:
        """Numbers of the built-in head's vertices [..., vertices, n] at the foreign head's vertices [..., V, n]."""
        return np.einsum("...vkn,vk->...vn", values[..., self.neighbours, :], self.weights)


def register(
    points: np.ndarray, triangles: np.ndarray, surface: np.ndarray, known: Mapping[int, np.ndarray], head: Head
) -> Match:
    """points [V, 3] in centimetres; surface [V]: which vertices are skin; known: iBUG number → place. Any origin."""
    target_triangles, used = meshes.compact(triangles, surface)
    target = points[used].astype(np.float64)
    normals = meshes.normals(target, target_triangles)
    inner = np.ones(len(target), bool)
    inner[np.unique(meshes.border_edges(target_triangles))] = False
    target, normals = target[inner], normals[inner]

    model, regions = head.model, head.regions
    skin = ((regions["skin"] | regions["scalp"]) & ~regions["ears"] & ~regions["eyeballs"]).numpy()
    source_triangles, ours = meshes.compact(model.triangles.numpy(), skin)
    place = {int(vertex): index for index, vertex in enumerate(ours)}
    marks = np.array([place[int(vertex)] for vertex in model.landmarks])

    start = model.mean.numpy().astype(np.float64)[ours]
    held = {number: np.asarray(point, np.float64) for number, point in known.items()}
    fitted, scale = _whole(start, model.identity_basis.numpy()[:, ours].astype(np.float64), source_triangles, marks, target, normals, held)
    fitted = _relaxed(fitted, source_triangles, marks, target, normals, held)
    return _match(points, triangles, surface, fitted, source_triangles, ours, marks, scale)


def _features(points: np.ndarray, normals: np.ndarray) -> np.ndarray:
    return np.concatenate([points, 0.5 * NORMAL_REACH * normals], axis=1)


def _whole(
    start: np.ndarray, modes: np.ndarray, triangles: np.ndarray, marks: np.ndarray, target: np.ndarray, normals: np.ndarray,
    held: Mapping[int, np.ndarray],
) -> tuple[np.ndarray, float]:  # fmt: skip
    """Similarity and identity components by Gauss–Newton on distances along the target's normals."""
    fitted, tree = start + _first_shift(start, marks, target, held), cKDTree(_features(target, normals))
    total, moving, coefficients = 1.0, modes.copy(), np.zeros(len(modes))
    numbers = np.array(sorted(held), dtype=int)
    front = start[:, 2] > -6.0
    for turn in range(WHOLE_ROUNDS):
        own = meshes.normals(fitted, triangles)
        _, nearest = tree.query(_features(fitted, own))
        gap = target[nearest] - fitted
        reach = max(3.0 - 0.1 * turn, 1.0)
        believed = (np.linalg.norm(gap, axis=1) < reach) & ((own * normals[nearest]).sum(1) > 0.5) & front
        rows, direction = np.flatnonzero(believed), normals[nearest[believed]]
        centre = fitted.mean(axis=0)

        matrix, wanted = [_columns(fitted[rows] - centre, direction, moving[:, rows])], [(gap[rows] * direction).sum(1)]
        weight = [np.full(len(rows), 1.0 / max(len(rows), 1))]
        if len(numbers):
            at = marks[numbers]
            difference = np.array([held[number] for number in numbers]) - fitted[at]
            for axis in np.eye(3):
                matrix.append(_columns(fitted[at] - centre, np.broadcast_to(axis, difference.shape), moving[:, at]))
                wanted.append(difference @ axis)
                weight.append(np.full(len(at), 1.0 / len(at)))
        a, b, w = np.concatenate(matrix), np.concatenate(wanted), np.concatenate(weight)[:, None]
        ridge = np.concatenate([np.full(6, 1e-6), [1e-3], np.full(len(modes), 3e-3 if turn > 5 else 1.0)])
        prior = np.concatenate([np.zeros(7), coefficients])
        step = np.linalg.solve(a.T @ (w * a) + np.diag(ridge), a.T @ (w[:, 0] * b) - ridge * prior)
        step[:3] = np.clip(step[:3], -0.2, 0.2)
        growth = 1.0 + float(np.clip(step[6], -0.1, 0.1))
        matrix3 = _turn(step[:3])
        fitted = fitted + np.einsum("kni,k->ni", moving, step[7:])
        fitted = (fitted - centre) @ matrix3.T * growth + centre + step[3:6]
        moving, total, coefficients = moving @ matrix3.T * growth, total * growth, coefficients + step[7:]
    return fitted, total


def _columns(arms: np.ndarray, towards: np.ndarray, modes: np.ndarray) -> np.ndarray:
    """How far each unknown (turn 3, shift 3, growth 1, components) moves points along directions; arms reach from the centre to them."""
    whole = [np.cross(arms, towards), towards, (arms * towards).sum(1, keepdims=True)]
    return np.concatenate([*whole, np.einsum("kni,ni->nk", modes, towards)], axis=1)


def _turn(vector: np.ndarray) -> np.ndarray:
    x, y, z = vector
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    u, _, v = np.linalg.svd(np.eye(3) + cross + 0.5 * cross @ cross)
    return u @ v


def _first_shift(start: np.ndarray, marks: np.ndarray, target: np.ndarray, held: Mapping[int, np.ndarray]) -> np.ndarray:
    """The mean gap of known landmarks; with none, from nose tip to nose tip, the foremost point of a head being that."""
    if held:
        return np.mean([point - start[marks[number]] for number, point in held.items()], axis=0)
    middle = 0.5 * (target[:, 0].min() + target[:, 0].max())
    near = target[np.abs(target[:, 0] - middle) < 2.0]
    return near[near[:, 2].argmax()] - start[marks[NOSE_TIP]]


def _relaxed(
    fitted: np.ndarray, triangles: np.ndarray, marks: np.ndarray, target: np.ndarray, normals: np.ndarray, held: Mapping[int, np.ndarray]
) -> np.ndarray:
    """Every vertex on its own, bound to its neighbours."""
    smooth = meshes.laplacian(triangles, len(fitted))
    bending = (smooth.T @ smooth).tocsc()
    tree = cKDTree(_features(target, normals))
    for stiffness, reach in STEPS:
        own = meshes.normals(fitted, triangles)
        _, nearest = tree.query(_features(fitted, own))
        gap = target[nearest] - fitted
        believed = (np.linalg.norm(gap, axis=1) < reach) & ((own * normals[nearest]).sum(1) > 0.6)
        # To the nearest vertex's plane: sliding along the surface is left to the stiffness.
        flat = (gap * normals[nearest]).sum(1, keepdims=True) * normals[nearest]
        weight, wanted = believed.astype(float), np.where(believed[:, None], flat + 0.2 * (gap - flat), 0.0)
        for number, point in held.items():
            weight[marks[number]] = LANDMARK_WEIGHT
            wanted[marks[number]] = point - fitted[marks[number]]
        system = (diags(weight + 1e-4) + stiffness * bending).tocsc()
        solver = splu(system, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        fitted = fitted + solver.solve(weight[:, None] * wanted)
    return fitted


def _match(
    points: np.ndarray, triangles: np.ndarray, surface: np.ndarray, fitted: np.ndarray, source_triangles: np.ndarray, ours: np.ndarray,
    marks: np.ndarray, scale: float,
) -> Match:  # fmt: skip
    """Each foreign vertex on the three nearest of our vertices, nearer ones more."""
    own = meshes.normals(fitted, source_triangles)
    theirs = meshes.normals(points.astype(np.float64), triangles[surface[triangles].all(axis=1)])
    distance, nearest = cKDTree(_features(fitted, own)).query(_features(points, theirs), k=3)
    weights = 1.0 / (distance + 1e-3)
    gap = np.linalg.norm(points - fitted[nearest[:, 0]], axis=1)
    trust = np.exp(-((np.maximum(gap - 0.3, 0.0) / 0.5) ** 2)) * surface
    return Match(ours[nearest], weights / weights.sum(axis=1, keepdims=True), trust, fitted[marks], scale)
