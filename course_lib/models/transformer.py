"""The Transformer block: attention to mix the tokens, a small network to change each one, residuals and norms.

Shapes: batch B, length T, width D, heads H. Vaswani et al. 2017, figure 1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.checks import require, require_choice, require_int
from course_lib.models.attention import KVCache, MultiHeadAttention

__all__ = ["Block"]

NORMS = ("pre", "post")


class Block(nn.Module):
    """Attention, then a feed-forward network of width D_ff (default 4·D), each around a residual.

    norm="post": x ← norm(x + f(x)), as in 2017 and BERT. norm="pre": x ← x + f(norm(x)), as in GPT-2;
    gradients then reach every layer through the sum alone (Xiong et al. 2020).
    x (B, T, D) → (B, T, D).
    """

    def __init__(self, D: int, H: int, D_ff: int | None = None, norm: str = "pre", device=None, dtype=None):
        super().__init__()
        self.norm = require_choice("norm", norm, NORMS)
        D_ff = 4 * D if D_ff is None else require_int("D_ff", D_ff)
        where = {"device": device, "dtype": dtype}
        self.attention = MultiHeadAttention(D, H, **where)
        self.attention_norm = nn.LayerNorm(D, **where)
        self.feed_forward = nn.Sequential(nn.Linear(D, D_ff, **where), nn.GELU(), nn.Linear(D_ff, D, **where))
        self.feed_forward_norm = nn.LayerNorm(D, **where)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, causal: bool = False, cache: KVCache | None = None, schedule: str = "sdpa"
    ) -> Tensor:
        """x (B, T, D) → (B, T, D); mask, causal, cache and schedule as in MultiHeadAttention."""

        def attend(x):
            return self.attention(x, mask=mask, causal=causal, cache=cache, schedule=schedule)

        if self.norm == "pre":
            x = x + attend(self.attention_norm(x))  # (B, T, D)
            return x + self.feed_forward(self.feed_forward_norm(x))
        x = self.attention_norm(x + attend(x))
        return self.feed_forward_norm(x + self.feed_forward(x))

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> Block:
        """The same block with the weights of a torch.nn.TransformerEncoderLayer (activation "gelu") copied in."""
        gelu = layer.activation is nn.functional.gelu or isinstance(layer.activation, nn.GELU)
        require(gelu, "Block.from_torch takes a layer with activation='gelu'")
        weight = layer.linear1.weight
        block = cls(layer.self_attn.embed_dim, layer.self_attn.num_heads, weight.shape[0], "pre" if layer.norm_first else "post", weight.device, weight.dtype)
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        with torch.no_grad():
            for own, theirs in (
                (block.feed_forward[0], layer.linear1),
                (block.feed_forward[2], layer.linear2),
                (block.attention_norm, layer.norm1),
                (block.feed_forward_norm, layer.norm2),
            ):
                own.weight.copy_(theirs.weight)
                own.bias.copy_(theirs.bias)
        block.attention_norm.eps, block.feed_forward_norm.eps = layer.norm1.eps, layer.norm2.eps
        return block
