"""evaluation.json: the numbers with everything that makes them mean something.

Per domain `distances`; per method, domain and control `scores`; per method, domain and attribute `disentanglement`; per method, domain and
edit `truth`; per method, domain and control `drawn`; per domain and control `world`; and the `goals` that these reach or miss.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cddfm.data import HELD_OUT_SEED
from cddfm.evaluation.drawn import FORGIVEN
from cddfm.evaluation.goals import DISTANCE_MARGIN, DISTANCE_RATIO, goals
from cddfm.evaluation.measure import VARIANTS
from cddfm.evaluation.observe import RECOGNISERS
from cddfm.evaluation.run import Evaluation, ours_of
from cddfm.evaluation.scores import JUDGEABLE, world_record
from cddfm.evaluation.sweeps import DIRECTION_SWEEP, EXPRESSION_TARGETS, LIGHT_SWEEP, POSE_SWEEPS
from cddfm.evaluation.truth import TRUE_EDITS
from cddfm.methods import Method
from cddfm.stack import Stack
from stylespace.weights import read_notes, write_atomically

DEFINITIONS = {
    "requested": "change of parameters, the same for all methods: pose, light, identity and albedo change from where they are, expressions "
    "are set to a strength; from the parameters that `read_by` predicts from the style code",
    "achieved": "the judge's reading of the edited picture less its reading of the unedited one",
    "gain": "slope of achieved against requested change, least squares through zero, inner product over the attribute; 1 is perfect",
    "gain_within_30": "the same over edits that ask for at most 30 degrees",
    "gain_in_reach": "the same over edits whose target (reading before + request) lies within ±45 yaw, ±20 pitch, ±15 roll",
    "judge_slope": "the gain of true changes: the world's own pictures of held-out people drawn with the parameter changed by the same "
    "sweep, read by the same judge; a judge regresses towards the mean, so this is below 1",
    "judgeable": f"judge_slope is at least {JUDGEABLE}; what the judge hardly sees it cannot judge",
    "share": "gain / judge_slope: the share of a true change; None where the control is not judgeable",
    "target_error": "mean |achieved − requested| over edits and over the parameters asked to change; in `unit`",
    "error_at_20": "mean |achieved − requested| of yaw over edits that ask for 20 degrees; degrees",
    "leakage": "mean |achieved| of each attribute's parameters that were not asked to change, in standard deviations of the judge's "
    "readings of the unedited faces of the domain",
    "leaked_on_others": "mean of leakage over the attributes other than the edited one",
    "pose_leakage_degrees": "mean |achieved| of each pose axis that was not asked to change; degrees",
    "identity": "mean cosine of the embeddings of the picture before and after, by the recogniser that trained nothing",
    "identity_trained": "the same by the recogniser that training may use",
    "identity_ratio": "identity / the same cosine under the world's own true changes by the same sweep",
    "ssim_outside": "structural similarity (brightness, Gaussian window of 1.5 px) of before and after where neither face mask, rendered "
    "from the judge's parameters and widened by 4 % of the side, lies",
    "round_trip_code": "norm of what is left after the edit and its inverse, relative to the edit's own norm, each number of s in its "
    "standard deviation over the faces",
    "round_trip_picture": "mean absolute difference of the pictures before and after the round trip; 0 to 1",
    "disentanglement": "DS_i = product over k ≠ i of sigma_i / sigma_k; sigma_k = mean pairwise L2 distance of the judge's readings of "
    "attribute k (each parameter in its standard deviation) among edits of one face in which only attribute i takes other faces' values, "
    "divided by the same distance among unedited faces",
    "psnr": "dB, whole picture, sRGB; `truth` compares with the world's own picture of the same person with the changed parameters. Edits "
    "are composed as users get them (cddfm.compose); `<method>, not composed` are the generator's own pictures",
    "ssim": "structural similarity of the whole picture",
    "drawn": "what edits of these people, composed, change in the picture against what changes in the world's own pictures of them, by the "
    f"same sweep, over squares of {FORGIVEN} pixels; no network reads them. gain: slope of the made change against the true one; off: "
    "what is left of the true change and what is drawn besides, squared, over the true one squared; 1 for doing nothing",
    "distance": "Fréchet distance (Heusel et al. 2017) between Gaussians fitted to the judge's last hidden activations, with unbiased "
    "covariances, in squared units of the features. `generated`: `images` pictures of z ~ N(0, I) (nothing truncated, the generator's own "
    "noise, 8 bits) against as many held-out portraits of the world in the domain's style; `of_means`: its part between the means; "
    "`world`: these portraits against as many others of the world; `variance`: trace of the covariance of the world's; `ratio`: "
    f"generated / world, at most {DISTANCE_RATIO:g} with a margin of {DISTANCE_MARGIN:g} for chance. Distances depend on the size of the "
    "sets; compare equal ones",
    "goals": "values: as the judge reads them; of_true_changes: as it reads the world's own; on_the_judges_scale: gains as share, leakage "
    "for equal gain; of_true_changes_on_it: the world's own on that scale",
}

SWEEPS = {
    "pose": {name: list(values) for name, values in POSE_SWEEPS.items()},
    "expression": {"set_to": list(EXPRESSION_TARGETS), "controls": "all named ones, left and right together; gaze as four directions"},
    "light": {"azimuth": list(LIGHT_SWEEP)},
    "identity, albedo": {"along one random unit direction per face": list(DIRECTION_SWEEP)},
    "truth": [f"{name} {value:+g}" for name, value in TRUE_EDITS],
}


def document(stack: Stack, methods: dict[str, Method], found: Evaluation) -> dict[str, Any]:
    """Plain values; numbers that do not exist are None."""
    request = found.request
    notes = {role: _network(stack, role) for role in ("judge", "generator", *RECOGNISERS.values())}
    document = {
        "networks": notes | {f"method {name}": {"network": type(network).__name__} for name, network in methods.items()},
        "missing": found.missing,
        "read_by": ours_of(request.methods),
        "seed": request.seed,
        "counts": asdict(found.counts) | {"variants": VARIANTS},
        "world_seed": HELD_OUT_SEED,
        "inversion_steps": request.steps,
        "resolution": stack.generator.resolution,
        "definitions": DEFINITIONS,
        "sweeps": SWEEPS,
        "goals": [goal.record() for goal in goals(found.scores, request.methods, ours_of(request.methods), found.distances)],
        "distances": [distance.record() for distance in found.distances],
        "scores": [score.record() for score in found.scores],
        "disentanglement": [asdict(row) for row in found.disentangled],
        "truth": [score.record() for score in found.truth],
        "drawn": [score.record() for score in found.drawn],
        "world": [world_record(domain, measured) for domain, table in found.world.items() for measured in table.values()],
    }
    return _plain(document)


def _network(stack: Stack, name: str) -> dict[str, Any] | None:
    path = stack.path(name)
    if not path.is_file():
        return None
    network = getattr(stack, name)
    return {"network": type(network).__name__, "arguments": network.arguments, "notes": read_notes(path)}


def _plain(value: Any) -> Any:
    """JSON has no nan and no infinity."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_document(path: Path, stack: Stack, methods: dict[str, Method], found: Evaluation) -> None:
    write_atomically(path, json.dumps(document(stack, methods, found), indent=1).encode())
