"""A table of pairs instead of a row of tokens: what AlphaFold added to the Transformer, in its smallest form.

Every pair (i, j) has a vector. If i is near k and k is near j, then i cannot be far from j: the triangle
update lets each pair hear from all pairs that make a triangle with it (Jumper et al. 2021, Algorithms 11, 12).

Shapes: batch B, beads N, width of a token D, width of a pair d.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.checks import require, require_int
from course_lib.models.transformer import Encoder

__all__ = ["PairBlock", "PairModel"]


class PairBlock(nn.Module):
    """Triangle update and a small network on each pair, each around a residual. z (B, N, N, d) → (B, N, N, d).

    triangle=False keeps every weight and lets each pair hear of all pairs it shares a bead with, but no longer of two
    sides of one triangle together (a product of sums instead of the sum of products): the ablation.
    """

    def __init__(self, d: int, triangle: bool = True):
        super().__init__()
        self.triangle = triangle
        self.norm, self.norm_sum, self.norm_change = nn.LayerNorm(d), nn.LayerNorm(d), nn.LayerNorm(d)
        self.edges, self.gates = nn.Linear(d, 4 * d), nn.Linear(d, 4 * d)
        self.out, self.out_gate = nn.Linear(d, d), nn.Linear(d, d)
        self.change = nn.Sequential(nn.Linear(d, 2 * d), nn.GELU(), nn.Linear(2 * d, d))

    def forward(self, z: Tensor) -> Tensor:
        N, h = z.shape[1], self.norm(z)  # (B, N, N, d)
        a, b, c, e = (self.edges(h) * self.gates(h).sigmoid()).chunk(4, -1)  # each (B, N, N, d)
        if self.triangle:  # edges leaving i and j for k, and edges coming to i and j from k
            heard = torch.einsum("bikd,bjkd->bijd", a, b) + torch.einsum("bkid,bkjd->bijd", c, e)  # (B, N, N, d)
        else:
            heard = (a.sum(2)[:, :, None] * b.sum(2)[:, None] + c.sum(1)[:, :, None] * e.sum(1)[:, None]) / N
        z = z + self.out(self.norm_sum(heard)) * self.out_gate(h).sigmoid()
        return z + self.change(self.norm_change(z))


class PairModel(nn.Module):
    """Answers about all pairs of N beads: (B, N, N, D_out), the same for (i, j) and (j, i).

    Reads ids (B, N) through an Encoder, each pair beginning as what its two tokens say; or, without one,
    what is known of each pair, numbers (B, N, N, D_in). Both learn how far apart i and j are in the chain.
    """

    def __init__(self, N: int, d: int = 24, blocks: int = 2, D_out: int = 1, encoder: Encoder | None = None, D_in: int = 0, triangle: bool = True):
        super().__init__()
        self.N, self.encoder = require_int("N", N, 2), encoder
        require((encoder is None) == (D_in > 0), "give either an encoder, for ids, or D_in, for numbers of each pair")
        self.enter = nn.Linear(encoder.config.D, 2 * d) if encoder is not None else nn.Linear(D_in, d)
        self.apart = nn.Embedding(N, d)
        self.blocks = nn.ModuleList(PairBlock(d, triangle) for _ in range(require_int("blocks", blocks, 0)))
        self.leave = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, require_int("D_out", D_out)))

    def forward(self, x: Tensor) -> Tensor:
        """ids (B, N) or numbers (B, N, N, D_in) → (B, N, N, D_out)."""
        require(x.ndim in (2, 4) and x.shape[1] == self.N, f"the model reads {self.N} beads, got {tuple(x.shape)}")
        if self.encoder is not None:
            left, right = self.enter(self.encoder(x)).chunk(2, -1)  # each (B, N, d)
            z = left[:, :, None] + right[:, None]  # (B, N, N, d)
        else:
            z = self.enter(x)
        place = torch.arange(self.N, device=x.device)
        z = z + self.apart((place[:, None] - place).abs())
        for block in self.blocks:
            z = block(z)
        return self.leave((z + z.transpose(1, 2)) / 2)
