"""Table 1 as it is measured, and its parts against things known by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models import MultiHeadAttention
from course_lib.models.attention import window_mask
from course_lib.models.convolution import CausalConvolution, SmallCNN
from course_lib.table1 import LAYERS, WINDOW, _windowed, path_length, table1


@pytest.fixture(scope="module")
def table():
    return table1(D=8, lengths=(16, 32, 64, 128), paths=(16, 32, 64, 128)).set_index("layer")


def test_the_orders_are_the_papers(table):
    assert list(table.index) == list(LAYERS)
    assert table.agrees.all()
    assert (table.loc["self-attention"][["work", "sequential", "path"]] == ["T²", "1", "1"]).all()
    assert (table.loc["LSTM"][["work", "sequential", "path"]] == ["T", "T", "T"]).all()


def test_what_the_paper_does_not_list_is_measured_too(table):
    assert (table.loc["MinGRU by a scan"][["work", "sequential", "path"]] == ["T", "log T", "log T"]).all()


def test_hops_by_hand(table):
    assert table.hops["RNN"] == 127
    assert table.hops["self-attention"] == 1
    assert table.hops["convolution"] == 64  # two back at a time
    assert table.hops["dilated convolutions"] == 7
    assert table.hops["attention in a window"] == -(-127 // WINDOW)


def test_a_table_that_disagrees_says_so(monkeypatch):
    kind = LAYERS["RNN"]
    monkeypatch.setattr("course_lib.table1.LAYERS", {"RNN": type(kind)(kind.build, kind.run, kind.hand_on, ("T", "1", "T"))})
    assert not table1(D=4, lengths=(8, 16, 32, 64), paths=(8, 16, 32, 64)).agrees.any()


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 60), st.integers(1, 9))
def test_path_length_of_a_chain(T, reach):
    near = torch.ones(T, T, dtype=torch.bool).tril().triu(-reach)
    assert path_length(lambda n: near, T) == -(-(T - 1) // reach)


def test_a_word_that_is_never_heard():
    with pytest.raises(InputError, match="never hears"):
        path_length(lambda n: torch.eye(5, dtype=torch.bool), 5)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 2))
def test_windowed_attention_is_attention_under_a_window_mask(T, B):
    layer, x = MultiHeadAttention(8, 2), torch.randn(B, T, 8)
    torch.testing.assert_close(_windowed(layer, x), layer(x, mask=window_mask(T, WINDOW + 1)), rtol=1e-4, atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(2, 4), st.integers(1, 3), st.data())
def test_a_causal_convolution_sees_its_reach_and_nothing_else(T, kernel, dilation, data):
    layer, x = CausalConvolution(3, kernel, dilation), torch.randn(1, T, 3)
    place = data.draw(st.integers(0, T - 1))
    y = x.clone()
    y[0, place] += 1
    changed = (layer(x) - layer(y)).abs().sum(-1)[0] > 1e-7  # (T,)
    expected = [t >= place and (t - place) % dilation == 0 and (t - place) // dilation < kernel for t in range(T)]
    assert changed.tolist() == expected


def test_the_cnn_puts_patches_back_together():
    from course_lib.tasks.images import patches

    images, seen = torch.rand(3, 8, 8), []
    model = SmallCNN().eval()
    model.layers[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    assert model(patches(images)).shape == (3, 1, 10)
    assert torch.equal(seen[0][:, 0], images)


@pytest.mark.parametrize(("call", "message"), [(lambda: CausalConvolution(4, 1), "kernel must be ≥ 2"), (lambda: CausalConvolution(4)(torch.randn(1, 2, 3)), "width 4"), (lambda: table1(D=0), "D must be")])
def test_mistakes_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()
