"""Backpropagation through time, written by hand: the fast path behind `schedule="hoisted"`.

The readable cells in `recurrent.py` let autograd differentiate every step. Here the same recurrences
are run with preallocated buffers, and their gradients are derived on paper: all factors that need no
earlier gradient are computed for every t at once, the backward loop keeps only what truly is
sequential, and each weight gradient is one matrix product over all B·T positions.
The tests prove outputs and gradients equal to the step loop.

Shapes: T steps, batch B, width D, time first. Source: Werbos, "Backpropagation through time", 1990.
"""

from __future__ import annotations

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable


def _states(first: torch.Tensor, T: int) -> torch.Tensor:
    """An empty (T+1, B, D) buffer whose first row is the initial state."""
    states = first.new_empty(T + 1, *first.shape)
    states[0] = first
    return states


def _weight_gradient(dgates: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
    """Σ over t and batch of dgatesᵀ·previous: one product.  # (G·D, D)"""
    return dgates.flatten(0, 1).t() @ previous.flatten(0, 1)


class RNNSteps(Function):
    """h_t = tanh(p_t + W h_{t−1}), or relu. Takes p (T, B, D), h0 (B, D), W (D, D); gives h (T, B, D)."""

    @staticmethod
    def forward(ctx, projected, h0, W, nonlinearity):
        activation_ = {"tanh": torch.tanh_, "relu": torch.relu_}[nonlinearity]
        states = _states(h0, len(projected))  # (T+1, B, D)
        rows, Wt = states.unbind(0), W.t()
        for t, p in enumerate(projected.unbind(0)):
            activation_(torch.addmm(p, rows[t], Wt, out=rows[t + 1]))  # (B, D)
        ctx.save_for_backward(states, W)
        ctx.nonlinearity = nonlinearity
        return states[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx, dh):
        states, W = ctx.saved_tensors
        h = states[1:]
        slope = 1 - h.square() if ctx.nonlinearity == "tanh" else (h > 0).to(h.dtype)  # at every t  (T, B, D)
        dp = torch.empty_like(slope)
        outs, slopes, dhs = dp.unbind(0), slope.unbind(0), dh.unbind(0)
        torch.mul(dhs[-1], slopes[-1], out=outs[-1])
        for t in range(len(outs) - 2, -1, -1):
            torch.addmm(dhs[t], outs[t + 1], W, out=outs[t]).mul_(slopes[t])  # (B, D)
        return dp, outs[0] @ W, _weight_gradient(dp, states[:-1]), None


class LSTMSteps(Function):
    """The LSTM's loop. p (T, B, 4D) in the order i, f, o, g; h0, c0 (B, D); W (4D, D) → h (T, B, D), c_T.

    The three sigmoid gates lie side by side (torch.nn's order is i, f, g, o), so one call serves them all.
    """

    @staticmethod
    def forward(ctx, projected, h0, c0, W):
        T, B, D = len(projected), *h0.shape
        hs, cs = _states(h0, T), _states(c0, T)  # (T+1, B, D)
        gates = torch.empty_like(projected)  # (T, B, 4D)
        tanh_c = h0.new_empty(T, B, D)
        h, c, tc, Wt = hs.unbind(0), cs.unbind(0), tanh_c.unbind(0), W.t()
        sigmoids = gates[..., : 3 * D].unbind(0)
        i, f, o, g = (part.unbind(0) for part in gates.split(D, -1))
        for t, (p, gate) in enumerate(zip(projected.unbind(0), gates.unbind(0))):
            torch.addmm(p, h[t], Wt, out=gate)  # (B, 4D)
            sigmoids[t].sigmoid_()
            g[t].tanh_()
            torch.mul(f[t], c[t], out=c[t + 1]).addcmul_(i[t], g[t])  # (B, D)
            torch.tanh(c[t + 1], out=tc[t])
            torch.mul(o[t], tc[t], out=h[t + 1])
        ctx.save_for_backward(hs, cs, gates, tanh_c, W)
        return hs[1:], cs[-1].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx, dhs, dc_last):
        hs, cs, gates, tanh_c, W = ctx.saved_tensors
        T, B, D = tanh_c.shape
        i, f, o, g = gates.split(D, -1)
        into_c = o * (1 - tanh_c.square())  # ∂h_t/∂c_t  (T, B, D)
        factors = gates.new_empty(T, B, 4, D)  # ∂c_t/∂(i, f, g sums) and ∂h_t/∂(o sum)
        factors[:, :, 0] = g * i * (1 - i)
        factors[:, :, 1] = cs[:-1] * f * (1 - f)
        factors[:, :, 2] = tanh_c * o * (1 - o)
        factors[:, :, 3] = i * (1 - g.square())
        dgates = torch.empty_like(factors)
        given, through, keep, factor = dhs.unbind(0), into_c.unbind(0), f.unbind(0), factors.unbind(0)
        dgate, flat, o_factor, o_gate = (x.unbind(0) for x in (dgates, dgates.view(T, B, 4 * D), factors[:, :, 2], dgates[:, :, 2]))
        dc, dh = dc_last.clone(), given[-1]
        for t in range(T - 1, -1, -1):
            dc.addcmul_(dh, through[t])  # (B, D)
            torch.mul(dc.unsqueeze(1), factor[t], out=dgate[t])  # (B, 4, D)
            torch.mul(dh, o_factor[t], out=o_gate[t])  # the output gate's gradient comes from h, not c
            dc.mul_(keep[t])
            dh = torch.addmm(given[t - 1], flat[t], W) if t else flat[t] @ W  # (B, D)
        dgates = dgates.view(T, B, 4 * D)
        return dgates, dh, dc, _weight_gradient(dgates, hs[:-1])


class GRUSteps(Function):
    """The GRU's loop. p (T, B, 3D) in torch's order r, z, n; h0 (B, D); W (3D, D); bias_n (D) → h (T, B, D).

    `bias_n` is the recurrent bias of the candidate: it stands inside the reset gate's product.
    """

    @staticmethod
    def forward(ctx, projected, h0, W, bias_n):
        T, D = len(projected), h0.shape[1]
        hs, Wt = _states(h0, T), W.t()  # (T+1, B, D)
        gates = projected.clone()  # becomes r, z and the candidate's recurrent part  (T, B, 3D)
        gates[..., 2 * D :] = bias_n
        candidates = projected[..., 2 * D :].clone(memory_format=torch.contiguous_format)  # (T, B, D)
        h = hs.unbind(0)
        both, r, z, u = (part.unbind(0) for part in (gates[..., : 2 * D], *gates.split(D, -1)))
        for t, (gate, n) in enumerate(zip(gates.unbind(0), candidates.unbind(0))):
            gate.addmm_(h[t], Wt)  # (B, 3D)
            both[t].sigmoid_()
            n.addcmul_(r[t], u[t]).tanh_()  # (B, D)
            torch.lerp(n, h[t], z[t], out=h[t + 1])  # (1−z)·n + z·h
        ctx.save_for_backward(hs, gates, candidates, W)
        return hs[1:]

    @staticmethod
    @once_differentiable
    def backward(ctx, dhs):
        hs, gates, n, W = ctx.saved_tensors
        T, B, D = n.shape
        r, z, u = gates.split(D, -1)
        into_n = (1 - z) * (1 - n.square())  # ∂h_t/∂(candidate's sum)  (T, B, D)
        factors = gates.new_empty(T, B, 3, D)
        factors[:, :, 0] = into_n * u * r * (1 - r)
        factors[:, :, 1] = (hs[:-1] - n) * z * (1 - z)
        torch.mul(into_n, r, out=factors[:, :, 2])
        dgates = torch.empty_like(factors)
        dh_all = torch.empty_like(n)
        dh, flat = dh_all.unbind(0), dgates.view(T, B, 3 * D).unbind(0)
        keep, given, factor, dgate = z.unbind(0), dhs.unbind(0), factors.unbind(0), dgates.unbind(0)
        dh[-1].copy_(given[-1])
        for t in range(T - 1, -1, -1):
            torch.mul(dh[t].unsqueeze(1), factor[t], out=dgate[t])  # (B, 3, D)
            if t:
                torch.addcmul(given[t - 1], dh[t], keep[t], out=dh[t - 1]).addmm_(flat[t], W)  # (B, D)
        dh0 = torch.addmm(dh[0] * keep[0], flat[0], W)
        dgates = dgates.view(T, B, 3 * D)
        dW, dbias_n = _weight_gradient(dgates, hs[:-1]), dgates[..., 2 * D :].sum((0, 1))
        dprojected = dgates  # equal to dgates but for the candidate, whose input part skips the reset gate
        dprojected[..., 2 * D :] = dh_all * into_n
        return dprojected, dh0, dW, dbias_n
