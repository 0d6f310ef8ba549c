"""Table 1 of "Attention is all you need", measured: work, sequential operations and path length of seven kinds of layer.

    work        FLOPs of one layer that reads T words, counted
    sequential  the longest chain of operations in which each needs the one before, counted
    path        how often information must be handed on to come from the first word to the last

Each is counted at several T and its order of growth found by fit. Vaswani et al. 2017, Table 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from torch import Tensor, nn

from course_lib.checks import require, require_int
from course_lib.measure import count_flops, critical_path, growth
from course_lib.models import GRU, LSTM, RNN, MinGRU, MultiHeadAttention
from course_lib.models.convolution import CausalConvolution
from course_lib.models.recurrent import Recurrent

__all__ = ["LAYERS", "path_length", "table1"]

WINDOW = 8  # of restricted attention: how many words to each side


@dataclass(frozen=True)
class Kind:
    """One row: how to build the layer for width D, how to run it, what the paper's columns say of it."""

    build: Callable[[int], nn.Module]
    run: Callable[[nn.Module, Tensor], Tensor]
    hand_on: Callable[[nn.Module, int], Tensor]  # who can hear from whom when everything is handed on for the n-th time
    paper: tuple[str, str, str]


def _recurrent(schedule: str):
    return lambda cell, x: cell(x, schedule=schedule)[0]


def _heard(layer: Callable[[Tensor], Tensor], T: int, D: int) -> Tensor:
    """Which outputs of `layer` move with which inputs, by the Jacobian.  # (T, T), row: output"""
    x = torch.randn(1, T, D)
    with torch.enable_grad():
        slopes = torch.autograd.functional.jacobian(lambda z: layer(z)[0].sum(-1), x)  # (T, 1, T, D)
    return slopes[:, 0].abs().sum(-1) > 0


def _step_by_step(cell: Recurrent, n: int, T: int) -> Tensor:
    """A word's state hears from the word itself and, through one step, from its neighbour."""
    heard = _heard(lambda z: _recurrent("loop")(cell, z), 2, cell.D_in)  # two words: one step
    return torch.eye(T, dtype=torch.bool) | torch.diag(torch.full((T - 1,), bool(heard[1, 0])), -1)


def _doubling(cell: MinGRU, n: int, T: int) -> Tensor:
    """The doubling scan joins each span with the one of equal length before it."""
    return torch.eye(T, dtype=torch.bool) | torch.eye(T, dtype=torch.bool).roll(2**n, 0).tril()


def _one_layer(run):
    return lambda layer, n, T: _heard(lambda z: run(layer, z), T, layer.D)


def _windowed(layer: MultiHeadAttention, x: Tensor) -> Tensor:
    """Restricted attention, each query beside the keys of its window: work grows with T, not T²."""
    B, T, D = x.shape
    query, key, value = layer.project(x)  # (B, H, T, d)
    room = nn.functional.pad(torch.stack((key, value)), (0, 0, WINDOW, WINDOW))  # (2, B, H, T + 2·WINDOW, d)
    keys, values = room.unfold(3, 2 * WINDOW + 1, 1).transpose(-2, -1)  # each (B, H, T, window, d)
    inside = torch.ones(T + 2 * WINDOW, dtype=torch.bool)
    inside[:WINDOW] = inside[WINDOW + T :] = False  # no words beyond the ends
    scores = (query.unsqueeze(3) @ keys.transpose(-2, -1) / layer.d**0.5)[..., 0, :]  # (B, H, T, window)
    weights = scores.masked_fill(~inside.unfold(0, 2 * WINDOW + 1, 1), -torch.inf).softmax(-1)
    y = (weights.unsqueeze(3) @ values)[..., 0, :]  # (B, H, T, d)
    return layer.out(y.transpose(1, 2).flatten(2))


def _dilated(layer: nn.ModuleList, n: int, T: int) -> Tensor:
    return _heard(layer[n], T, layer[0].D)


def _attend(layer: MultiHeadAttention, x: Tensor) -> Tensor:
    return layer(x, schedule="naive")  # as matrices: inside a fused kernel nothing can be counted


def _convolve(layer: CausalConvolution, x: Tensor) -> Tensor:
    return layer(x)


def _first(layers: nn.ModuleList, x: Tensor) -> Tensor:
    return layers[0](x)


# name → kind. The paper's columns are a layer's complexity in T and sequential operations, and the longest path through
# as many layers as it takes (for plain convolutions from its section 4). What it does not list: "–"
LAYERS: dict[str, Kind] = {
    "RNN": Kind(lambda D: RNN(D, D), _recurrent("loop"), _step_by_step, ("T", "T", "T")),
    "LSTM": Kind(lambda D: LSTM(D, D), _recurrent("loop"), _step_by_step, ("T", "T", "T")),
    "GRU": Kind(lambda D: GRU(D, D), _recurrent("loop"), _step_by_step, ("T", "T", "T")),
    "convolution": Kind(lambda D: CausalConvolution(D), _convolve, _one_layer(_convolve), ("T", "1", "T")),
    "dilated convolutions": Kind(lambda D: nn.ModuleList(CausalConvolution(D, 2, 2**n) for n in range(12)), _first, _dilated, ("T", "1", "log T")),
    "self-attention": Kind(lambda D: MultiHeadAttention(D, 4), _attend, _one_layer(_attend), ("T²", "1", "1")),
    "attention in a window": Kind(lambda D: MultiHeadAttention(D, 4), _windowed, _one_layer(_windowed), ("T", "1", "T")),
    "MinGRU by a scan": Kind(lambda D: MinGRU(D, D), _recurrent("doubling"), _doubling, ("–", "–", "–")),
}


def path_length(relation: Callable[[int], Tensor], T: int) -> int:
    """How often everything must be handed on until the last word has heard from the first.

    relation(n): the (T, T) truth table of who hears from whom the n-th time. Raises InputError when
    nothing new is heard and the first word is still unheard.
    """
    reached = torch.zeros(require_int("T", T, 2), dtype=torch.bool)
    reached[0] = True
    for n in range(2 * T):
        after = (relation(n).float() @ reached.float()) > 0
        if after[T - 1]:
            return n + 1
        require(n == 0 or bool((after != reached).any()), f"the last of {T} words never hears from the first")
        reached = after
    return 2 * T


def table1(D: int = 16, lengths: Sequence[int] = (16, 32, 64, 128, 256), paths: Sequence[int] = (16, 32, 64, 128), seed: int = 0) -> pd.DataFrame:
    """One row a kind of layer: the measured orders of work, sequential operations and path length, and the paper's.

    Columns: layer, work, sequential, path (each "1", "log T", "T" …), paper (the paper's three), agrees,
    and the counts at the longest T: flops, chain, hops. Small widths do: orders do not depend on D.
    """
    torch.manual_seed(seed)
    require_int("D", D, 4)
    return pd.DataFrame([_row(name, kind, D, lengths, paths) for name, kind in LAYERS.items()])


@torch.no_grad()
def _row(name: str, kind: Kind, D: int, lengths, paths) -> dict:
    layer = kind.build(D)
    inputs = [torch.randn(1, T, D) for T in lengths]
    flops = [count_flops(lambda x=x: kind.run(layer, x)) for x in inputs]
    chain = [critical_path(lambda x=x: kind.run(layer, x)) for x in inputs]
    hops = [_hops(kind, layer, T) for T in paths]
    found = (growth(lengths, flops), growth(lengths, chain), growth(paths, hops))
    row = dict(layer=name, work=found[0], sequential=found[1], path=found[2], paper=" · ".join(kind.paper))
    return row | dict(agrees="–" in kind.paper or found == kind.paper, flops=flops[-1], chain=chain[-1], hops=hops[-1])


def _hops(kind: Kind, layer: nn.Module, T: int) -> int:
    known: dict[int, Tensor] = {}

    def relation(n):
        key = n if kind.hand_on in (_doubling, _dilated) else 0  # the others do the same every time
        if key not in known:
            known[key] = kind.hand_on(layer, key, T)
        return known[key]

    return path_length(relation, T)
