"""Landmarks: where they fall for given parameters and how that changes, and a first pose from them alone."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cddfm.fitting.subject import Subject, Turn, projection
from cddfm.params import FaceParams


def landmark_jacobian(subject: Subject, flat: Float[Tensor, total]) -> tuple[Float[Tensor, "68 2"], Float[Tensor, "68 2 total"]]:
    """Landmarks in ndc, and their derivatives by every parameter."""
    params, slices = subject.params(flat), subject.layout.slices
    turn = Turn.of(params.pose[0])
    head = subject.landmarks(flat)
    seen, change = projection(subject.camera, subject.placed(head, flat))
    jacobian = flat.new_zeros(68, 2, subject.layout.total)
    shape = slices["identity"].start, slices["expression"].stop
    jacobian[:, :, shape[0] : shape[1]] = change @ turn.matrix @ subject.landmark_shape.to(flat)
    arms = head - subject.model.pivot.to(flat)
    jacobian[:, :, slices["pose"]] = change @ torch.einsum("ijk,nj->nik", turn.derivative, arms)
    jacobian[:, :, slices["translation"]] = change
    return seen, jacobian


def first_pose(subject: Subject, landmarks: Float[Tensor, "68 2"], trusted: Float[Tensor, 68]) -> FaceParams:
    """Pose and translation of the mean head whose landmarks, seen from far away, come nearest: an affine camera, made rigid."""
    model, camera = subject.model, subject.camera
    points = model.mean[model.landmarks].to(landmarks)
    weight = trusted.unsqueeze(1) / trusted.sum()
    middle, target = (points * weight).sum(0), (landmarks * weight).sum(0)
    arms, offsets = (points - middle) * weight.sqrt(), (landmarks - target) * weight.sqrt()
    affine = torch.linalg.lstsq(arms, offsets).solution.T
    left, sizes, right = torch.linalg.svd(affine, full_matrices=False)
    rows = left @ right
    turned = torch.cat([rows, torch.linalg.cross(rows[0], rows[1])[None]])
    pose = _angles(turned)
    near = sizes.mean().clamp(camera.focal / (3 * camera.distance), 3 * camera.focal / camera.distance)
    depth = camera.focal / near
    place = torch.stack([target[0] / near + camera.centre_x, target[1] / near + camera.centre_y, camera.distance - depth])
    pivot = model.pivot.to(landmarks)
    translation = place - (turned @ (middle - pivot) + pivot)
    neutral = FaceParams.neutral(subject.layout, 1)
    return neutral.replace(pose=pose[None].to(neutral.pose), translation=translation[None].to(neutral.pose))


def _angles(turned: Float[Tensor, "3 3"]) -> Float[Tensor, 3]:
    """Pitch, yaw, roll of a rotation matrix (the inverse of `camera.rotation`)."""
    yaw = torch.asin((-turned[2, 0]).clamp(-1.0, 1.0))
    roll = torch.atan2(turned[1, 0], turned[0, 0])
    pitch = -torch.atan2(turned[2, 1], turned[2, 2])
    limit = math.radians(75)
    return torch.stack([pitch.clamp(-limit, limit), yaw.clamp(-limit, limit), roll])
