"""C4: the course's recurrent layers against torch.nn's, trained (forward + backward), D = 128, B = 8."""

import torch
from torch import nn

from course_lib.models import GRU, RNN
from tests.benchmarks.bars import Bar, assert_equal, side_by_side


def trained(run):
    def call():
        run().sum().backward()

    return call


def bars():
    D, B = 128, 8
    for T in (256, 1024):
        x = torch.randn(B, T, D)
        rnn, gru = RNN(D, D), GRU(D, D)
        library, library_gru = rnn.to_torch(), gru.to_torch()
        cell = nn.RNNCell(D, D)
        cell.load_state_dict(rnn.state_dict())

        def loop():
            h, ys = x.new_zeros(B, D), []
            for x_t in x.unbind(1):
                h = cell(x_t, h)
                ys.append(h)
            return torch.stack(ys, 1)

        for name, own, peer in (("RNN", rnn, library), ("GRU", gru, library_gru)):
            assert_equal(f"C4 {name}", own(x, schedule="hoisted")[0], peer(x)[0])
        assert_equal("C4 RNNCell", rnn(x, schedule="hoisted")[0], loop())

        found = side_by_side(trained(lambda: rnn(x, schedule="hoisted")[0]), {"nn.RNN": trained(lambda: library(x)[0]), "RNNCell": trained(loop)})
        yield Bar("C4", f"hoisted RNN vs nn.RNN, T={T}", found["nn.RNN"], 1.0, 1.2)
        yield Bar("C4", f"hoisted RNN vs RNNCell loop, T={T}", found["RNNCell"], 2.0, 4.0)
        found = side_by_side(trained(lambda: gru(x, schedule="hoisted")[0]), {"nn.GRU": trained(lambda: library_gru(x)[0])})
        yield Bar("C4", f"GRU vs nn.GRU, T={T}", found["nn.GRU"], 1.15, 1.6)
        with torch.no_grad():
            found = side_by_side(lambda: gru(x, schedule="hoisted"), {"nn.GRU": lambda: library_gru(x)})
        yield Bar("C4", f"GRU vs nn.GRU, forward alone, T={T}", found["nn.GRU"], 0.8, 1.0)
