"""Weights of eight bits: whole numbers with one scale a row, a quarter of float32's bytes.

    W (N, K) ≈ scale (N, 1) · whole (N, K)        whole = round(W / scale), scale = largest |W| of the row / 127

A step of decoding multiplies every weight once, so on a CPU its time is that of reading them: fewer bytes, more
tokens a second. What is multiplied with them stays a floating-point number (bfloat16). Dettmers et al. 2022,
LLM.int8(), section 2.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require
from course_lib.models.transformer import Decoder

__all__ = ["Int8Linear", "quantise", "rounded", "weight_bytes"]

FEW = 32  # rows of x up to which reading the weights, and not multiplying them, is the work


def rounded(weight: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """weight (N, …) → whole numbers −127 … 127 of its shape in int8, and scale (N,) in `dtype`.

    scale · whole differs from a weight by at most half a scale, 1/254 of its row's largest (a scale in bfloat16 may
    fall short of the largest weight, which then loses up to 0.4%).
    """
    rows = weight.detach().float().flatten(1)  # (N, K)
    scale = (rows.abs().amax(1).clamp_min(1e-12) / 127).to(dtype)  # (N,)
    whole = (rows / scale.float()[:, None]).round_().clamp_(-127, 127).to(torch.int8)  # (N, K)
    return whole.view(weight.shape).contiguous(), scale


class Int8Linear(nn.Module):
    """What an nn.Linear does, with its weights rounded: x (…, K) in bfloat16 → (…, N). For inference; it has no gradients."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        whole, scale = rounded(linear.weight, torch.bfloat16)
        self.register_buffer("whole", whole)  # (N, K)
        self.register_buffer("scale", scale)  # (N,)
        self.register_buffer("bias", None if linear.bias is None else linear.bias.detach().bfloat16())
        # torch's kernel for CPUs reads the weights as they are, in strips of 64
        self.strips = whole.shape[1] % 64 == 0 and hasattr(torch, "_weight_int8pack_mm")

    def forward(self, x: Tensor) -> Tensor:
        N, K = self.whole.shape
        require(x.dtype == torch.bfloat16 and x.shape[-1] == K, f"x must be bfloat16 of shape (…, {K}), got {x.dtype} of shape {tuple(x.shape)}")
        rows = x.reshape(-1, K).contiguous()  # (n, K)
        if self.strips and rows.is_cpu and len(rows) <= FEW:
            y = torch._weight_int8pack_mm(rows, self.whole, self.scale)  # (n, N)
        else:
            y = F.linear(rows, self.whole.to(x.dtype)) * self.scale  # (n, N)
        if self.bias is not None:
            y = y + self.bias
        return y.view(*x.shape[:-1], N)


@torch.no_grad()
def quantise(decoder: Decoder) -> Decoder:
    """A copy of a decoder for inference: the weights of its products in eight bits, all else in bfloat16.

    Embeddings are looked up in bfloat16; where the readout shares them, it gets rounded ones of its own.
    Raises InputError for a decoder without vocabulary, or one that reads an encoder.
    """
    require(isinstance(decoder, Decoder), f"quantise takes a Decoder, got {type(decoder).__name__}")
    require(decoder.config.V is not None, "this decoder has no vocabulary: its config has V=None")
    require(all(block.cross_attention is None for block in decoder.blocks), "quantise takes a decoder without cross-attention")
    model = copy.deepcopy(decoder)
    if model.head is None:
        model.head = nn.Linear(decoder.config.D, decoder.config.V, bias=False, device="meta")
        model.head.weight = model.embedding.weight
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
    return model.to(torch.bfloat16).eval()


def weight_bytes(model: nn.Module) -> int:
    """Bytes of all weights, each counted once."""
    tensors = {id(x): x for x in (*model.parameters(), *model.buffers())}
    return sum(x.numel() * x.element_size() for x in tensors.values())
