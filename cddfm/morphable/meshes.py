"""Small questions about triangle meshes, answered with numpy: normals, neighbours, borders."""

from __future__ import annotations

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components


def normals(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Unit normals of vertices, area-weighted; zero where no triangle touches."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    across = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, triangles[:, k], across)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def laplacian(triangles: np.ndarray, count: int) -> csr_matrix:
    """Vertex less the mean of its neighbours."""
    one = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    both = np.concatenate([one, one[:, ::-1]])
    adjacent = coo_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count)).tocsr()
    adjacent.data[:] = 1.0
    degree = np.asarray(adjacent.sum(axis=1)).reshape(-1)
    return (diags((degree > 0).astype(float)) - diags(1.0 / np.maximum(degree, 1.0)) @ adjacent).tocsr()


def border_edges(triangles: np.ndarray) -> np.ndarray:
    """Edges [E, 2] that belong to one triangle only, in the direction in which that triangle runs."""
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, index, count = np.unique(np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True)
    return edges[index[count == 1]]


def border_loops(triangles: np.ndarray) -> list[np.ndarray]:
    """Closed borders, each as its vertices in order against the triangles' direction (so that a fan over them continues the surface)."""
    edges = border_edges(triangles)
    if not len(edges):
        return []
    follow = {int(b): int(a) for a, b in edges}
    top = int(edges.max()) + 1
    _, label = connected_components(coo_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (top, top)), directed=False)
    loops = []
    for group in np.unique(label[edges[:, 0]]):
        start = int(edges[label[edges[:, 0]] == group][0, 0])
        loop, here = [start], follow.get(start)
        while here is not None and here != start and len(loop) <= len(edges):
            loop.append(here)
            here = follow.get(here)
        if here == start:
            loops.append(np.array(loop))
    return loops


def compact(triangles: np.ndarray, keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The triangles whose corners are all kept, renumbered; and the vertices that they use."""
    chosen = triangles[keep[triangles].all(axis=1)]
    used, renumbered = np.unique(chosen, return_inverse=True)
    return renumbered.reshape(chosen.shape), used
