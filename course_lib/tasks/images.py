"""Handwritten digits as sequences: an image is cut into patches, and each patch is a token."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor

from course_lib.checks import require, require_int
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["digits", "load_images", "patches"]


def patches(images: Tensor, size: int = 2) -> Tensor:
    """Cut images (B, Y, X) into squares and read them row by row.  # (B, Y/size · X/size, size²)"""
    size = require_int("size", size)
    require(images.ndim == 3, f"images must have shape (B, Y, X), got {tuple(images.shape)}")
    B, Y, X = images.shape
    require(Y % size == 0 and X % size == 0, f"size must divide the image's {Y} × {X}, got {size}")
    cut = images.view(B, Y // size, size, X // size, size).transpose(2, 3)  # (B, Y/size, X/size, size, size)
    return cut.reshape(B, -1, size * size)


def load_images(part: str = "train") -> tuple[Tensor, Tensor]:
    """scikit-learn's 1,797 digits (UCI), grey values 0 … 1 and classes, in three fixed parts of each class.

    part: "train" (60%), "validation" (to choose by) or "test" (20% each).  # (B, 8, 8), (B,)
    """
    images, classes = load_digits(return_X_y=True)
    rows = np.arange(len(images))
    rest, test = train_test_split(rows, test_size=0.2, random_state=0, stratify=classes)
    train, validation = train_test_split(rest, test_size=0.25, random_state=0, stratify=classes[rest])
    parts = {"train": train, "validation": validation, "test": test}
    require(part in parts, f"part must be one of {', '.join(parts)}; got {part!r}")
    chosen = parts[part]
    return torch.tensor(images[chosen], dtype=torch.float32).view(-1, 8, 8) / 16, torch.tensor(classes[chosen])


def digits(size: int = 2, part: str = "validation", train: str = "train") -> Task:
    """Which digit is it? Tokens are patches of size² grey values; one answer an image.

    Trained on the images of `train` ("train", or "train+validation"), scored on those of `part`.
    """

    def whole(names):
        found = [load_images(name) for name in names.split("+")]
        return patches(torch.cat([x for x, _ in found]), size), torch.cat([y for _, y in found])[:, None]  # (n, T, size²), (n, 1)

    def draw_from(x, y):
        def draw(B, T, generator):
            rows = torch.randint(len(x), (B,), generator=generator)
            return Batch(x[rows], y[rows])

        return draw

    (x, y), (unseen, answers) = whole(train), whole(part)
    most = answers.flatten().bincount().max().item() / len(answers)
    baseline = Baseline(most, "always the commonest digit")
    # all unseen images, once each, whatever B: a score, not a sample of one
    return Task("digits", draw_from(x, y), x.shape[1], None, size * size, 10, "accuracy", baseline, 1.0, lambda B, T, generator: Batch(unseen, answers))
