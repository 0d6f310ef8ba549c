"""The door into a Transformer for what is not text: one linear layer in, one out; the blocks stay the same."""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.checks import require, require_int, require_sequence
from course_lib.models.transformer import Decoder, Encoder

__all__ = ["Adapter"]


class Adapter(nn.Module):
    """Numbers (B, T, D_in) → linear → the stack's blocks → linear → (B, T, D_out).

    stack: an Encoder or Decoder whose config has V=None. pool=True averages over the T tokens before the
    last layer and answers once a sequence, (B, 1, D_out): for a class instead of a sequence. The vision
    Transformer is this with patches of an image as tokens (Dosovitskiy et al. 2021).
    """

    def __init__(self, D_in: int, stack: Encoder | Decoder, D_out: int, pool: bool = False):
        super().__init__()
        require(stack.config.V is None, f"the stack must read numbers: its config needs V=None, got V={stack.config.V}")
        self.D_in, self.pool = require_int("D_in", D_in), pool
        self.enter = nn.Linear(D_in, stack.config.D)
        self.stack = stack
        self.leave = nn.Linear(stack.config.D, require_int("D_out", D_out))

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, D_in) → (B, T, D_out), or (B, 1, D_out) when pooled."""
        require_sequence("x", x, self.D_in)
        h = self.stack.hidden(self.enter(x))  # (B, T, D)
        return self.leave(h.mean(1, keepdim=True) if self.pool else h)
