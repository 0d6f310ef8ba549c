"""Linear recurrences h_t = a_t·h_{t−1} + b_t, three ways: a loop, a doubling scan, a scan by chunks.

A step of a linear recurrence is the pair (a, b), and two steps in a row are again such a pair:
(a₂, b₂) ∘ (a₁, b₁) = (a₂a₁, a₂b₁ + b₂). That product is associative, so it need not be taken from left
to right: log₂T rounds are enough (Hillis & Steele 1986; Blelloch 1990; for RNNs Martin & Cundy 2018).

Shapes: a, b (B, T, D), h0 (B, D) → h (B, T, D). All three agree; the tests prove it, gradients too.
"""

from __future__ import annotations

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from course_lib.checks import require, require_int

__all__ = ["scan_loop", "scan_doubling", "scan_chunk"]


def _check(a, b, h0):
    require(a.ndim == 3 and a.shape == b.shape, f"a and b must share one shape (B, T, D), got {tuple(a.shape)} and {tuple(b.shape)}")
    require(a.shape[1] >= 1, f"T must be ≥ 1, got a of shape {tuple(a.shape)}")
    B, _, D = a.shape
    require(h0.shape == (B, D), f"h0 must have shape {(B, D)}, got {tuple(h0.shape)}")


def scan_loop(a: torch.Tensor, b: torch.Tensor, h0: torch.Tensor) -> torch.Tensor:
    """T steps, one after the other. a, b (B, T, D), h0 (B, D) → h (B, T, D)."""
    _check(a, b, h0)
    h, hs = h0, []
    for a_t, b_t in zip(a.unbind(1), b.unbind(1)):
        h = a_t * h + b_t  # (B, D)
        hs.append(h)
    return torch.stack(hs, 1)  # (B, T, D)


def scan_doubling(a: torch.Tensor, b: torch.Tensor, h0: torch.Tensor) -> torch.Tensor:
    """⌈log₂T⌉ rounds, each joining every position to the one `reach` before it (Hillis & Steele 1986).

    T·log₂T work instead of T: more arithmetic, far fewer steps. a, b (B, T, D), h0 (B, D) → h (B, T, D).
    """
    _check(a, b, h0)
    T, reach = a.shape[1], 1
    while reach < T:
        late_a, late_b = a[:, reach:], b[:, reach:]
        b = torch.cat((b[:, :reach], late_a * b[:, :-reach] + late_b), 1)  # (B, T, D)
        a = torch.cat((a[:, :reach], late_a * a[:, :-reach]), 1)  # (B, T, D)
        reach *= 2
    return a * h0.unsqueeze(1) + b  # (B, T, D)


def scan_chunk(a: torch.Tensor, b: torch.Tensor, h0: torch.Tensor, chunk: int | None = None) -> torch.Tensor:
    """Two levels: all chunks walk side by side, then one short loop carries states from chunk to chunk.

    About 2·chunk + T/chunk steps and hardly more than T work, which is what a CPU wants. The gradient is
    the same recurrence run backwards, so it is scanned too. `chunk` defaults to about √T (a power of 2).
    a, b (B, T, D), h0 (B, D) → h (B, T, D).
    """
    _check(a, b, h0)
    T = a.shape[1]
    chunk = 2 ** max(1, round((T.bit_length() + 0.5) / 2)) if chunk is None else require_int("chunk", chunk)
    return _ChunkScan.apply(a, b, h0, min(chunk, T))


def _walk(a, b, h0, chunk: int) -> torch.Tensor:
    """h_t = a_t·h_{t−1} + b_t for t = 0 … T−1, in two passes over the chunks."""
    B, T, D = a.shape
    whole = T - T % chunk  # the last T % chunk steps are walked alone, after the chunks
    h = torch.empty_like(b)
    ac, bc, hc = (x[:, :whole].view(B, whole // chunk, chunk, D) for x in (a, b, h))  # (B, C, L, D)
    a_steps, b_steps, h_steps = ac.unbind(2), bc.unbind(2), hc.unbind(2)

    # pass 1: where does each chunk lead to from zero, and by what factor does it scale its start?
    reached, scale = b_steps[0].clone(), a_steps[0].clone()  # (B, C, D)
    for a_t, b_t in zip(a_steps[1:], b_steps[1:]):
        torch.addcmul(b_t, a_t, reached, out=reached)
        scale.mul_(a_t)

    # from chunk to chunk: the state each one starts from
    start = torch.empty_like(reached)
    state = h0
    for start_c, scale_c, reached_c in zip(start.unbind(1), scale.unbind(1), reached.unbind(1)):
        start_c.copy_(state)
        state = torch.addcmul(reached_c, scale_c, state)  # (B, D)

    # pass 2: every chunk again, now from its true start
    for a_t, b_t, h_t in zip(a_steps, b_steps, h_steps):
        torch.addcmul(b_t, a_t, start, out=h_t)
        start = h_t
    for t in range(whole, T):
        state = torch.addcmul(b[:, t], a[:, t], state, out=h[:, t])
    return h


class _ChunkScan(Function):
    @staticmethod
    def forward(ctx, a, b, h0, chunk):
        a, b = a.contiguous(), b.contiguous()
        h = _walk(a, b, h0, chunk)
        ctx.save_for_backward(a, h, h0)
        ctx.chunk = chunk
        return h

    @staticmethod
    @once_differentiable
    def backward(ctx, dh):
        a, h, h0 = ctx.saved_tensors
        # g_t = dh_t + a_{t+1}·g_{t+1}: the same recurrence, backwards in time
        later = torch.cat((a[:, 1:], torch.zeros_like(a[:, :1])), 1).flip(1)  # (B, T, D)
        g = _walk(later, dh.flip(1), torch.zeros_like(h0), ctx.chunk).flip(1)  # (B, T, D)
        da = torch.empty_like(a)
        torch.mul(g[:, 0], h0, out=da[:, 0])
        torch.mul(g[:, 1:], h[:, :-1], out=da[:, 1:])
        return da, g, g[:, 0] * a[:, 0], None
