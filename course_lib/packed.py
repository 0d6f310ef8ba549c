"""Trained weights in a small file: a matrix as whole numbers −127 … 127 with one scale a row, a quarter of float32.

The files that come with the course are made and read here; `about` says which command made them.
"""

from __future__ import annotations

import json
from pathlib import Path

import safetensors
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from course_lib.checks import InputError, require
from course_lib.models.quantised import rounded

__all__ = ["pack", "unpack"]

SCALE = "|scale"  # behind a matrix's name: the file's own mark, which no parameter's name has


@torch.no_grad()
def pack(path: str | Path, model: nn.Module, about: dict) -> Path:
    """Write a model's weights and `about` (plain values) to a .safetensors file: matrices rounded, vectors in float16.

    Rounding moves a weight by at most 1/254 of its row's largest. Raises InputError where the file cannot be
    written.
    """
    tensors: dict[str, Tensor] = {}
    for name, x in model.state_dict().items():
        x = x.detach().cpu().float()
        if x.ndim < 2:
            tensors[name] = x.half()
            continue
        tensors[name], tensors[name + SCALE] = rounded(x)
    try:
        save_file(tensors, path, {"about": json.dumps(about)})
    except (OSError, safetensors.SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}") from None
    return Path(path)


def unpack(path: str | Path, what: str) -> tuple[dict[str, Tensor], dict]:
    """(weights by name, about) of a file of `pack`. Raises InputError, saying that it is not `what`, for any other file."""
    require(Path(path).exists(), f"there is no file {str(path)!r}")
    try:
        with safetensors.safe_open(path, "pt") as file:
            found, about = {name: file.get_tensor(name) for name in file.keys()}, json.loads(file.metadata()["about"])  # noqa: SIM118
        return {name: _whole(x, found.get(name + SCALE)) for name, x in found.items() if not name.endswith(SCALE)}, about
    except (safetensors.SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError):
        raise InputError(f"{Path(path).name} is not {what}") from None


def _whole(x: Tensor, scale: Tensor | None) -> Tensor:
    return x.float() if scale is None else x.float() * scale.view(-1, *[1] * (x.ndim - 1))
