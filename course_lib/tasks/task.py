"""The one interface of all tasks: draw a batch, score an answer, know what ignorance would score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import require, require_int

__all__ = ["Task", "Batch", "Baseline"]


class Batch(NamedTuple):
    """inputs: ids (B, T) or numbers (B, T, D_in); targets: classes (B, T) or numbers (B, T, D_out);
    mask (B, T): True where the answer counts, or None where it counts everywhere."""

    inputs: Tensor
    targets: Tensor
    mask: Tensor | None = None

    def to(self, device) -> Batch:
        return Batch(*(x if x is None else x.to(device) for x in self))


class Baseline(NamedTuple):
    """A score reached without having learnt the task, and how it is reached."""

    value: float
    what: str


@dataclass(frozen=True)
class Task:
    """A stream of batches with a loss and an exact baseline.

    metric: "nats" or "mse" (the masked mean loss, lower is better) or "accuracy" (the masked share of right
    answers). `goal` is the score at which the task counts as solved. V is the number of input ids, None
    where inputs are numbers of width D_in; D_out is the number of classes, or the width of the answer.
    """

    name: str
    draw: Callable[[int, int, torch.Generator], Batch]
    T: int
    V: int | None
    D_in: int | None
    D_out: int
    metric: str
    baseline: Baseline
    goal: float
    held_out: Callable[[int, int, torch.Generator], Batch] | None = None  # where unseen data is kept apart
    least_T: int = 1

    def batch(self, B: int, T: int | None = None, generator: torch.Generator | None = None, device="cpu", held_out: bool = False) -> Batch:
        """B sequences of length T (default: the task's own). The same generator state gives the same batch.

        Drawn on the CPU and then moved, so that every device sees the same data: `generator` is a CPU
        generator (torch's global one by default). Raises InputError when B < 1 or T is too short.
        """
        require_int("B", B)
        T = require_int("T", self.T if T is None else T, self.least_T)
        generator = torch.default_generator if generator is None else generator
        draw = self.held_out if held_out and self.held_out is not None else self.draw
        return draw(B, T, generator).to(device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean over counted positions: squared error, or cross-entropy in nats. outputs (B, T, D_out) → scalar."""
        outputs, targets = self._counted(outputs, batch)
        return F.mse_loss(outputs, targets) if self.metric == "mse" else F.cross_entropy(outputs, targets)

    @torch.no_grad()
    def score(self, outputs: Tensor, batch: Batch) -> float:
        """The task's metric of these outputs (B, T, D_out)."""
        if self.metric != "accuracy":
            return self.loss(outputs, batch).item()
        outputs, targets = self._counted(outputs, batch)
        return (outputs.argmax(-1) == targets).float().mean().item()

    def solved(self, score: float) -> bool:
        """Is this score as good as the goal?"""
        return score >= self.goal if self.metric == "accuracy" else score <= self.goal

    def _counted(self, outputs: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        expected = tuple(batch.targets.shape) if self.metric == "mse" else (*batch.targets.shape, self.D_out)
        require(tuple(outputs.shape) == expected, f"the outputs for {self.name} must have shape {expected}, got {tuple(outputs.shape)}")
        if batch.mask is not None:
            return outputs[batch.mask], batch.targets[batch.mask]  # (counted, D_out)
        start = batch.targets.ndim - (self.metric == "mse") - 1
        return outputs.flatten(0, start), batch.targets.flatten(0, start)  # (B·T, D_out)
