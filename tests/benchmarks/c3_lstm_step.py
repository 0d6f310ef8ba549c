"""C3: an LSTM that reads one token at a time, its state carried, against nn.LSTM called at T = 1."""

import torch
from torch import nn

from course_lib.models import LSTM
from tests.benchmarks.bars import Bar, assert_equal, side_by_side


def bars():
    D, B, T = 221, 1, 64
    cells = [LSTM(D, D), LSTM(D, D)]
    peer = nn.LSTM(D, D, num_layers=2, batch_first=True)
    for layer, cell in enumerate(cells):
        theirs = cell.to_torch()
        for name, weight in theirs.state_dict().items():
            peer.state_dict()[name.replace("l0", f"l{layer}")].copy_(weight)
    x = torch.randn(B, T, D)

    @torch.inference_mode()
    def own():
        states, ys = [None, None], []
        for x_t in x.unbind(1):
            for i, cell in enumerate(cells):
                states[i] = cell.step(x_t, states[i])
                x_t = cell.output(states[i])  # (B, D)
            ys.append(x_t)
        return torch.stack(ys, 1)  # (B, T, D)

    @torch.inference_mode()
    def library():
        state, ys = None, []
        for x_t in x.split(1, 1):
            y, state = peer(x_t, state)
            ys.append(y)
        return torch.cat(ys, 1)  # (B, T, D)

    assert_equal("C3", own(), library())
    yield Bar("C3", "LSTM step by step vs nn.LSTM at T=1, 2 layers of 221", side_by_side(own, {"peer": library}, 31)["peer"], 3.0, 4.6)
