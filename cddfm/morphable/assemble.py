"""A file's numbers → `MorphableModel`: our frame and units, and what the file lacks, found by laying the built-in head over it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scipy.spatial import cKDTree

from cddfm.errors import UserError
from cddfm.head import Head, build_head
from cddfm.morphable import meshes
from cddfm.morphable.colours import EYES, closed_eyes, linear_statistics, paint_eyes, plain_albedo
from cddfm.morphable.expressions import borrowed, solve_directions
from cddfm.morphable.model import PARTS, MorphableModel
from cddfm.morphable.raw import RawModel, check
from cddfm.morphable.register import Match, register

EYE_LANDMARKS = list(range(36, 48))
EYE_DISTANCE = (6.0, 12.0)
"""Centimetres between the outer eye corners that a model's mean may have."""


def assemble(path: Path, raw: RawModel) -> MorphableModel:
    """Raises UserError where the file's numbers do not make a face."""
    raw, head = check(path, raw), build_head()
    points = raw.mean.astype(np.float64) * raw.unit
    parts = dict(raw.parts)
    surface = ~np.any([np.zeros(len(points), bool), *parts.values()], axis=0)
    triangles = raw.triangles
    known = {number: points[vertex] for number, vertex in raw.landmarks.items()}
    known |= {number: np.asarray(point) * raw.unit for number, point in raw.points.items() if number not in known}
    if _inwards(points, triangles, surface):
        triangles = triangles[:, ::-1]
    match = register(points, triangles, surface, known, head) if _lacks_something(raw, head) else None
    landmarks = _landmarks(raw, points, triangles, surface, match)
    points = points - points[landmarks[EYE_LANDMARKS]].mean(axis=0)
    origin = raw.mean.astype(np.float64) * raw.unit - points
    width = float(np.linalg.norm(points[landmarks[36]] - points[landmarks[45]]))
    if not EYE_DISTANCE[0] < width < EYE_DISTANCE[1]:
        raise UserError(f"the eyes of {path} are {width:.3g} cm apart where about 9 are usual; the file is damaged or of another version")

    painted = _eye_vertices(points, triangles, landmarks, surface, parts)
    skin = _skin(raw, head, match, surface, painted)
    albedo_mean, albedo_basis, albedo_names = _albedo(raw, head, match, points, landmarks, parts, painted)
    expression, expression_names = raw.expression * np.float32(raw.unit), raw.expression_names
    if not len(expression) and match is not None:
        expression, expression_names = borrowed(head, match), head.model.expression_names
    expression_names = expression_names or _numbered("expression", len(expression))
    names, table = (), np.zeros((0, len(expression)), np.float32)
    if match is not None:
        found = solve_directions(head, match, expression, raw.named, expression_names, landmarks, skin)
        names, table = found.names, found.table
    kinds = np.zeros(len(points), np.int64)
    for name, mask in parts.items():
        kinds[mask] = PARTS.index(name)

    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))

    return MorphableModel(
        name=path.name,
        mean=tensor(points),
        identity_basis=tensor(raw.identity * np.float32(raw.unit)),
        expression_basis=tensor(expression),
        albedo_mean=tensor(albedo_mean.clip(0.0, 1.0)),
        albedo_basis=tensor(albedo_basis),
        triangles=torch.from_numpy(np.ascontiguousarray(triangles, dtype=np.int64)),
        landmarks=torch.from_numpy(landmarks),
        skin=torch.from_numpy(skin),
        pivot=head.model.pivot.clone(),
        identity_names=raw.identity_names or _numbered("shape", len(raw.identity)),
        expression_names=expression_names,
        albedo_names=albedo_names,
        direction_names=names,
        directions=tensor(table) if names else None,
        joint_names=tuple(raw.joints),
        joints=tensor(np.stack([np.asarray(place) * raw.unit - origin[0] for place in raw.joints.values()])) if raw.joints else None,
        parts=torch.from_numpy(kinds) if parts else None,
        source=raw.source,
    )


def _numbered(word: str, count: int) -> tuple[str, ...]:
    return tuple(f"{word}{number + 1:02d}" for number in range(count))


def _lacks_something(raw: RawModel, head: Head) -> bool:
    return len(raw.landmarks) < 68 or raw.skin is None or raw.albedo_mean is None or not raw.named


def _inwards(points: np.ndarray, triangles: np.ndarray, surface: np.ndarray) -> bool:
    """Whether the triangles about the foremost point face backwards."""
    chosen = triangles[surface[triangles].all(axis=1)]
    centre = points[chosen].mean(axis=1)
    middle = 0.5 * (points[surface, 0].min() + points[surface, 0].max())
    near = np.abs(centre[:, 0] - middle) < 2.0
    front = centre[near][centre[near][:, 2].argmax()] if near.any() else centre[centre[:, 2].argmax()]
    corner = points[chosen[np.linalg.norm(centre - front, axis=1) < 1.5]]
    return bool(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])[:, 2].sum() < 0)


def _landmarks(raw: RawModel, points: np.ndarray, triangles: np.ndarray, surface: np.ndarray, match: Match | None) -> np.ndarray:
    """The file's landmarks; the others where the built-in head's came to lie: the nearest vertex of the surface."""
    chosen = np.array([raw.landmarks.get(number, -1) for number in range(68)], dtype=np.int64)
    if match is not None and (chosen < 0).any():
        used = np.unique(triangles[surface[triangles].all(axis=1)])
        tree = cKDTree(points[used])
        places = np.array([raw.points[number] * raw.unit if number in raw.points else match.places[number] for number in range(68)])
        chosen = np.where(chosen < 0, used[tree.query(places)[1]], chosen)
    return chosen


def _eye_vertices(
    points: np.ndarray, triangles: np.ndarray, landmarks: np.ndarray, surface: np.ndarray, parts: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Vertices that show an eye, per eye: the eyeball's, or those of a skin that closes over it."""
    eyes = {name: parts[name] for name in EYES if name in parts}
    if eyes:
        return eyes
    holes = [points[loop] for loop in meshes.border_loops(triangles[surface[triangles].all(axis=1)])]
    return closed_eyes(points, landmarks, surface, holes)


def _skin(raw: RawModel, head: Head, match: Match | None, surface: np.ndarray, painted: dict[str, np.ndarray]) -> np.ndarray:
    """The file's mask, or where the built-in head's face lies; never eyes, teeth or the mouth's inside."""
    if raw.skin is not None:
        return raw.skin & surface
    assert match is not None
    ours = match.carry(head.model.skin.numpy().astype(np.float64)[:, None])[:, 0]
    eyes = np.any([np.zeros(len(surface), bool), *painted.values()], axis=0)
    return (ours > 0.5) & (match.trust > 0.3) & surface & ~eyes


def _albedo(
    raw: RawModel, head: Head, match: Match | None, points: np.ndarray, landmarks: np.ndarray, parts: dict[str, np.ndarray],
    painted: dict[str, np.ndarray],
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:  # fmt: skip
    """The file's colours made linear, or the plain ones; eyes are painted where they would be skin."""
    if raw.albedo_mean is not None and raw.albedo_basis is not None:
        mean, basis = linear_statistics(raw.albedo_mean, raw.albedo_basis)
        return mean, basis, _numbered("albedo", len(basis))
    assert match is not None
    mean, basis = plain_albedo(head, match, parts)
    offsets = {}
    for name, chosen in painted.items():
        centre = points[landmarks[list(EYES[name])], :2].mean(axis=0)
        if name in parts:
            centre = 0.5 * (points[chosen, :2].min(axis=0) + points[chosen, :2].max(axis=0))
        offsets[name] = points[chosen, :2] - centre
    paint_eyes(head, mean, basis, painted, offsets)
    return mean, basis, head.model.albedo_names
