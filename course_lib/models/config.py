"""The switches of a Transformer: everything in which BERT, GPT-2, T5 and Llama differ, in one place."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from course_lib.checks import require, require_choice, require_int

__all__ = ["TransformerConfig", "ACTIVATIONS", "NORMS", "NORM_KINDS", "POSITIONS", "Gated"]

NORMS = ("pre", "post")
NORM_KINDS = ("layer", "rms")
POSITIONS = ("learned", "sinusoidal", "rotary", "relative", "none")


class Gated(nn.Module):
    """One half of the units opens or closes the other: act(gate) · value. Shazeer 2020 (SwiGLU, GEGLU)."""

    def __init__(self, activation: nn.Module):
        super().__init__()
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        gate, value = x.chunk(2, -1)  # each (B, T, D_ff)
        return self.activation(gate) * value


class SquaredReLU(nn.Module):
    """relu(x)². So et al. 2021 (Primer)."""

    def forward(self, x: Tensor) -> Tensor:
        return x.relu().square()


class GELUTanh(nn.Module):
    """GELU with its bell's area approximated by a tanh. Hendrycks & Gimpel 2016, section 2."""

    def forward(self, x: Tensor) -> Tensor:
        # the kernel's tanh is slow on a CPU; where a large tensor is trained, a sigmoid takes 40% less time
        slow = x.device.type == "cpu" and x.dtype == torch.float32 and x.numel() >= 2**15 and torch.is_grad_enabled()
        return _GELUBySigmoid.apply(x) if slow else F.gelu(x, approximate="tanh")


class _GELUBySigmoid(torch.autograd.Function):
    """½x(1 + tanh u) = x·σ(2u) with 2u = x(c + k·x²): few passes over the memory, most of them in place."""

    c, k = 2 * math.sqrt(2 / math.pi), 2 * math.sqrt(2 / math.pi) * 0.044715

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        f = _GELUBySigmoid
        s = torch.addcmul(x.new_tensor(f.c), x, x, value=f.k).mul_(x).sigmoid_()
        ctx.save_for_backward(x, s)
        return x * s

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> Tensor:
        f, (x, s) = _GELUBySigmoid, ctx.saved_tensors
        slope = torch.addcmul(x.new_tensor(f.c), x, x, value=3 * f.k).mul_(x)  # x·(2u)′
        slope.addcmul_(slope, s, value=-1).add_(1).mul_(s)  # s·(1 + x·(2u)′·(1 − s))
        return slope.mul_(gradient)


ACTIVATIONS = {
    "gelu": nn.GELU,  # exact; BERT
    "gelu_tanh": GELUTanh,  # its approximation by tanh; GPT-2
    "relu": nn.ReLU,
    "relu2": SquaredReLU,
    "swiglu": lambda: Gated(nn.SiLU()),  # Llama
    "geglu": lambda: Gated(GELUTanh()),  # T5 v1.1
}


@dataclass(frozen=True)
class TransformerConfig:
    """What a Transformer is made of. The defaults are a small GPT.

    V      vocabulary; None: the model reads numbers (B, T, D) instead of ids, and a Decoder has no head
    D, N, H, T_max   width, layers, heads, longest sequence (no limit with relative positions or none)
    D_ff   width of the feed-forward network (4·D)       d    width of a head (D/H)
    H_kv   heads of keys and values (H); fewer: grouped-query attention
    norm   "pre" or "post" the residual                  norm_kind   "layer" or "rms"; eps: under its root
    activation   "gelu", "gelu_tanh", "relu", "relu2", or gated: "swiglu", "geglu"
    positions    "learned", "sinusoidal", "rotary" (rotary_base), "relative" (buckets, reach), "none"
    bias   of the linear layers and layer norms          tied_head   logits by the embedding's own vectors
    token_types, embedding_norm   BERT's: how many kinds of segments, a norm after the embeddings
    dropout   after the embeddings and each attention and feed-forward network (Vaswani et al. 2017, §5.4)
    init_std, zero_init   weights start as N(0, init_std²), those that write to the residual stream
              divided by √(2N) (GPT-2), or as zeros

    Raises InputError, one sentence, for a value that cannot be.
    """

    V: int | None
    D: int = 128
    N: int = 4
    H: int = 4
    T_max: int = 256
    D_ff: int | None = None
    d: int | None = None
    H_kv: int | None = None
    norm: str = "pre"
    norm_kind: str = "layer"
    eps: float = 1e-5
    activation: str = "gelu"
    positions: str = "learned"
    rotary_base: float = 10_000.0
    buckets: int = 32
    reach: int = 128
    bias: bool = True
    tied_head: bool = True
    token_types: int = 0
    embedding_norm: bool = False
    dropout: float = 0.0
    init_std: float = 0.02
    zero_init: bool = False

    def __post_init__(self):
        for name in ("D", "N", "H", "T_max", "buckets", "reach", "V", "D_ff", "d", "H_kv"):
            optional = getattr(self, name) is None and name in ("V", "D_ff", "d", "H_kv")
            _ = optional or require_int(name, getattr(self, name))
        require_int("token_types", self.token_types, least=0)
        for name, allowed in (("norm", NORMS), ("norm_kind", NORM_KINDS), ("activation", ACTIVATIONS), ("positions", POSITIONS)):
            require_choice(name, getattr(self, name), allowed)
        for name in ("eps", "rotary_base", "init_std"):
            require(getattr(self, name) > 0, f"{name} must be > 0, got {getattr(self, name)}")
        require(0 <= self.dropout < 1, f"dropout must lie in [0, 1), got {self.dropout}")
        for field in fields(self):
            value = getattr(self, field.name)
            require(field.type != "bool" or isinstance(value, bool), f"{field.name} must be True or False, got {value!r}")
        require(self.d is not None or self.D % self.H == 0, f"D must be divisible by H, got D={self.D}, H={self.H}")
        require(self.H_kv is None or self.H % self.H_kv == 0, f"H must be divisible by H_kv, got H={self.H}, H_kv={self.H_kv}")
        require(self.positions != "rotary" or self.head_width % 2 == 0, f"rotary positions need an even head width, got {self.head_width}")
        require(self.positions != "sinusoidal" or self.D % 2 == 0, f"sinusoidal positions need an even D, got {self.D}")
        enough = self.buckets >= 4 and self.reach > self.buckets // 2
        require(self.positions != "relative" or enough, f"relative positions need buckets ≥ 4 and reach > buckets/2, got {self.buckets} and {self.reach}")

    @property
    def head_width(self) -> int:
        return self.D // self.H if self.d is None else self.d
