"""One model on several processes: three ways to cut the work, each equal to one process.

    data        every rank has the whole model and some of the sequences; gradients are averaged
    tensor      every rank has some of the heads and hidden units of each block; answers are summed
                (Shoeybi et al. 2019, Megatron-LM, section 3)
    sequence    every rank has some of the tokens; keys and values travel in a ring, so that each query
                meets each key (Li et al. 2021; Liu et al. 2023, Ring Attention)

P processes ("ranks") run this same code; torch.distributed carries tensors between them (gloo on CPUs,
NCCL on GPUs). Every function here must be called by all ranks. `traffic` counts the bytes a rank sends.
Shapes: batch B, length T, width D, heads H, head width d.
"""

from __future__ import annotations

import copy
import math

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.checks import require
from course_lib.models.attention import MultiHeadAttention
from course_lib.models.config import Gated
from course_lib.models.transformer import Block

__all__ = [
    "Traffic", "traffic", "ranks", "same_weights", "mean_over_ranks", "average_gradients",
    "tensor_parallel", "shard", "sequence_parallel", "ring_attention",
]  # fmt: skip


class Traffic:
    """Bytes this rank has sent. A sum over P ranks is counted as the ring algorithm's 2(P−1)/P of the tensor."""

    def __init__(self):
        self.sent = 0

    def sum_over_ranks(self, x: Tensor) -> Tensor:
        """x, summed over all ranks, in place."""
        P = dist.get_world_size()
        self.sent += round(2 * (P - 1) / P * x.numel() * x.element_size())
        dist.all_reduce(x)
        return x

    def pass_on(self, x: Tensor) -> Tensor:
        """Send x to the next rank of the ring; gives what the rank before has sent."""
        rank, P = ranks()
        if P == 1:
            return x
        self.sent += x.numel() * x.element_size()
        x, arriving = x.contiguous(), torch.empty_like(x, memory_format=torch.contiguous_format)
        moves = [dist.P2POp(dist.isend, x, (rank + 1) % P), dist.P2POp(dist.irecv, arriving, (rank - 1) % P)]
        for move in dist.batch_isend_irecv(moves):
            move.wait()
        return arriving


traffic = Traffic()


def ranks() -> tuple[int, int]:
    """(this process's rank, number of processes P): (0, 1) where nothing is distributed."""
    together = dist.is_available() and dist.is_initialized()
    return (dist.get_rank(), dist.get_world_size()) if together else (0, 1)


# -- data parallel ------------------------------------------------------------------------------------------


def same_weights(module: nn.Module) -> None:
    """Give every rank the weights of rank 0."""
    if ranks()[1] > 1:
        for p in module.parameters():
            dist.broadcast(p.detach(), 0)


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of the ranks' x, on every rank."""
    P = ranks()[1]
    return x if P == 1 else traffic.sum_over_ranks(x.clone()) / P


def average_gradients(module: nn.Module) -> None:
    """Replace every gradient by its mean over the ranks: one message, all gradients laid end to end.

    With an equal share of the batch on each rank and a loss that is a mean, this is the gradient of the
    whole batch.
    """
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    if ranks()[1] == 1 or not gradients:
        return
    means = mean_over_ranks(torch.cat([g.flatten() for g in gradients]))
    for g, mean in zip(gradients, means.split([g.numel() for g in gradients])):
        g.copy_(mean.view_as(g))


# -- tensor parallel ----------------------------------------------------------------------------------------


class _Enter(torch.autograd.Function):
    """The same input on every rank; on the way back, the sum of the ranks' gradients."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return traffic.sum_over_ranks(gradient.contiguous().clone())


class _Leave(torch.autograd.Function):
    """The sum of the ranks' answers; on the way back, the same gradient for every rank."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return traffic.sum_over_ranks(x.contiguous().clone())

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        return gradient


class _Share(nn.Module):
    """This rank's part of a layer whose answers add up to the whole layer's."""

    def __init__(self, part: nn.Module):
        super().__init__()
        self.part = part

    def forward(self, x: Tensor, *args, **kwargs) -> Tensor:
        return _Leave.apply(self.part(_Enter.apply(x), *args, **kwargs))


def shard(block: Block, name: str, whole: Tensor, rank: int, P: int) -> Tensor:
    """This rank's part of a block's parameter, or of its gradient. `name` is that of `block.named_parameters()`.

    Rows of the first product of each pair (queries, keys, values by heads; hidden units, gates and values
    alike), columns of the second. Norms are whole on every rank; a bias added at the end is rank 0's alone.
    """
    if name.startswith("attention.query_key_value"):
        parts = whole.split(block.attention.rows)  # queries, keys, values
        return torch.cat([part.chunk(P)[rank] for part in parts])
    if name.startswith("feed_forward.0"):
        gated = isinstance(block.feed_forward[1], Gated)
        return torch.cat([part.chunk(P)[rank] for part in whole.chunk(2 if gated else 1)])
    if name in ("attention.out.weight", "feed_forward.2.weight"):
        return whole.chunk(P, 1)[rank]
    if name in ("attention.out.bias", "feed_forward.2.bias"):
        return whole if rank == 0 else torch.zeros_like(whole)
    return whole


def tensor_parallel(block: Block) -> Block:
    """This rank's share of a block: H/P of its heads and D_ff/P of its hidden units; same input, same output.

    Two sums over the ranks on the way forward, two on the way back. Raises InputError where heads or hidden
    units cannot be divided by P.
    """
    rank, P = ranks()
    a, hidden = block.attention, block.feed_forward[2].in_features
    require(block.cross_attention is None, "tensor_parallel takes a block without cross-attention")
    require(a.H % P == 0 and a.H_kv % P == 0, f"H and H_kv must be divisible by the {P} ranks, got H={a.H}, H_kv={a.H_kv}")
    require(hidden % P == 0, f"D_ff must be divisible by the {P} ranks, got {hidden}")
    where = {"device": a.out.weight.device, "dtype": a.out.weight.dtype}
    wide, has_bias = block.feed_forward[0].out_features, a.out.bias is not None
    own = copy.deepcopy(block)
    own.attention = MultiHeadAttention(a.D, a.H // P, has_bias, **where, H_kv=a.H_kv // P, d=a.d)
    own.feed_forward[0] = nn.Linear(a.D, wide // P, has_bias, **where)
    own.feed_forward[2] = nn.Linear(hidden // P, a.D, has_bias, **where)
    with torch.no_grad():
        for (name, p), whole in zip(own.named_parameters(), block.parameters()):
            p.copy_(shard(block, name, whole, rank, P))
    if has_bias and rank > 0:  # else the sum over the ranks would add them P times
        own.attention.out.bias.requires_grad_(False), own.feed_forward[2].bias.requires_grad_(False)
    own.attention, own.feed_forward = _Share(own.attention), _Share(own.feed_forward)
    return own


# -- sequence parallel --------------------------------------------------------------------------------------


def _scores(query: Tensor, key: Tensor, r: int, rank: int, causal: bool) -> Tensor:
    """Q Kᵀ/√d of this rank's queries and the keys that began on rank r.  # (…, T, S)"""
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])
    if causal and r == rank:
        T = query.shape[-2]
        scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool, device=scores.device).triu(1), -math.inf)
    return scores


class _Ring(torch.autograd.Function):
    """Each rank keeps its queries; keys and values go round. A softmax over blocks needs only a running
    log of the sum of exponentials L: two answers are joined by their shares of it."""

    @staticmethod
    def forward(ctx, query: Tensor, key: Tensor, value: Tensor, causal: bool) -> Tensor:
        rank, P = ranks()
        y, total = torch.zeros_like(query), query.new_full(query.shape[:-1], -math.inf)  # (…, T, d), (…, T)
        travelling = torch.stack((key, value))  # (2, …, T, d)
        for hop in range(P):
            r = (rank - hop) % P  # whose keys are here now
            if not (causal and r > rank):  # later tokens stay unseen, and uncomputed
                scores = _scores(query, travelling[0], r, rank, causal)
                L = scores.logsumexp(-1)  # (…, T)
                joined = torch.logaddexp(total, L)
                here = (scores - joined[..., None]).exp() @ travelling[1]  # (…, T, d)
                y, total = y * (total - joined).exp()[..., None] + here, joined
            if hop + 1 < P:
                travelling = traffic.pass_on(travelling)
        ctx.save_for_backward(query, key, value, y, total)
        ctx.causal = causal
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor):
        query, key, value, y, total = ctx.saved_tensors
        rank, P = ranks()
        root = math.sqrt(query.shape[-1])
        common = (gradient * y).sum(-1, keepdim=True)  # (…, T, 1)
        d_query = torch.zeros_like(query)
        travelling = torch.stack((key, value, torch.zeros_like(key), torch.zeros_like(value)))  # each block gathers its gradients
        for hop in range(P):
            r = (rank - hop) % P
            if not (ctx.causal and r > rank):
                k, v, d_key, d_value = travelling
                weights = (_scores(query, k, r, rank, ctx.causal) - total[..., None]).exp()  # (…, T, S)
                d_scores = weights * (gradient @ v.transpose(-2, -1) - common) / root
                d_query += d_scores @ k
                d_key += d_scores.transpose(-2, -1) @ query
                d_value += weights.transpose(-2, -1) @ gradient
            travelling = traffic.pass_on(travelling if hop + 1 < P else travelling[2:])  # the last hop brings gradients home
        return d_query, *travelling, None


def ring_attention(query: Tensor, key: Tensor, value: Tensor, causal: bool = False) -> Tensor:
    """Attention over a sequence whose tokens are spread over the ranks in order, T/P on each.

    query, key, value (…, T/P, d) of this rank's tokens → (…, T/P, d). Each rank stores (T/P)² scores at a
    time and sends its keys and values P−1 times. Raises InputError where the three differ in shape.
    """
    require(query.shape == key.shape == value.shape, f"query, key and value must have one shape, got {tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)}")
    return _Ring.apply(query, key, value, causal)


class _RingHeads(MultiHeadAttention):
    """MultiHeadAttention whose tokens are spread over the ranks."""

    def forward(self, x: Tensor, memory=None, mask=None, causal: bool = False, cache=None, schedule="sdpa", *others) -> Tensor:
        plain = all(o is None for o in (memory, mask, cache, *others))
        require(plain, "sequence_parallel takes self-attention alone: no memory, mask, cache, positions, head_mask or record")
        query, key, value = self.project(x)
        key, value = (z.repeat_interleave(self.H // self.H_kv, 1) for z in (key, value))  # (B, H, T/P, d)
        return self.out(ring_attention(query, key, value, causal).transpose(1, 2).flatten(2))  # (B, T/P, D)


def sequence_parallel(block: Block) -> Block:
    """The same block for T/P tokens a rank, (B, T/P, D) → (B, T/P, D): only its attention has to talk.

    Each rank's weights get the gradient of its own tokens: sum them over the ranks.
    """
    own = copy.deepcopy(block)
    own.attention.__class__ = _RingHeads  # the same weights, another way through
    return own
