"""Weights of eight bits: how far a weight moves, what a product loses, and a decoder that writes as before."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from course_lib.checks import InputError
from course_lib.models import Decoder, Encoder, TransformerConfig
from course_lib.models.quantised import FEW, Int8Linear, quantise, rounded, weight_bytes


def decoder(seed=0, **changes):
    torch.manual_seed(seed)
    today = dict(V=40, D=64, N=2, H=4, H_kv=2, T_max=32, positions="rotary", norm_kind="rms", activation="swiglu", bias=False, init_std=0.2)
    return Decoder(TransformerConfig(**today | changes)).eval()


@given(N=st.integers(1, 9), K=st.integers(1, 70), size=st.sampled_from([1e-6, 1.0, 1e4]), seed=st.integers(0, 99))
def test_a_weight_moves_by_half_a_scale_at_most(N, K, size, seed):
    weight = size * torch.randn(N, K, generator=torch.Generator().manual_seed(seed))
    whole, scale = rounded(weight)
    assert whole.dtype == torch.int8
    assert whole.shape == weight.shape
    assert scale.shape == (N,)
    assert whole.abs().amax(1).tolist() == [127] * N  # the whole range is used
    assert ((whole.float() * scale[:, None] - weight).abs() <= 0.5001 * scale[:, None]).all()


def test_a_row_of_zeros_stays_zero():
    whole, scale = rounded(torch.zeros(2, 3))
    assert not whole.any()
    assert scale.isfinite().all()


@given(rows=st.sampled_from([1, 2, FEW, FEW + 1, 50]), N=st.integers(1, 40), K=st.sampled_from([3, 64, 97, 128]), bias=st.booleans(), seed=st.integers(0, 99))
def test_a_product_is_that_of_the_rounded_weights(rows, N, K, bias, seed):
    """Both ways of computing it: torch's kernel for few rows and widths it can read, and the plain one."""
    torch.manual_seed(seed)
    linear = nn.Linear(K, N, bias)
    own, x = Int8Linear(linear), torch.randn(rows, K).bfloat16()
    exact = x.double() @ (own.whole.double() * own.scale.double()[:, None]).T + (own.bias.double() if bias else 0)
    y = own(x)
    assert y.dtype == torch.bfloat16
    assert y.shape == (rows, N)
    assert (y.double() - exact).abs().max() <= 0.02 * exact.abs().max()  # bfloat16 keeps 8 bits
    assert (y.float() - F.linear(x.float(), linear.weight, linear.bias)).abs().max() <= 0.04 * exact.abs().max().clamp_min(0.5)
    assert torch.equal(own(x.view(rows, 1, K)), y.view(rows, 1, N))


@pytest.mark.parametrize("changes", [{}, {"tied_head": False}, {"bias": True, "norm_kind": "layer", "activation": "gelu", "positions": "learned", "H_kv": None}])
def test_a_decoder_says_nearly_the_same(changes):
    own = decoder(**changes)
    before = {name: x.clone() for name, x in own.state_dict().items()}
    small = quantise(own)
    ids = torch.randint(0, 40, (3, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        apart = (own(ids).log_softmax(-1) - small(ids).float().log_softmax(-1)).abs()
    assert apart.mean() < 0.1 * own(ids).std()
    assert not any(isinstance(m, nn.Linear) for m in small.modules())
    assert all(torch.equal(x, before[name]) and x.dtype == before[name].dtype for name, x in own.state_dict().items())  # the original is left as it was


def test_with_and_without_cache_it_writes_the_same_and_follows_the_large_one():
    own = decoder()
    small = quantise(own)
    ids = torch.randint(0, 40, (2, 6), generator=torch.Generator().manual_seed(2))
    cached, plain = small.generate(ids, 20), small.generate(ids, 20, use_cache=False)
    assert (cached == plain).float().mean() > 0.9  # a tie in bfloat16 may fall either way
    agree = (own(cached)[:, 5:-1].argmax(-1) == cached[:, 6:]).float().mean()
    assert agree > 0.8


def test_the_bytes_fall():
    own = decoder(V=2000, D=128)
    small = quantise(own)
    head_and_table = 2000 * 128 * (1 + 2)
    assert weight_bytes(small) < weight_bytes(own) / 4 * 1.1 + head_and_table - 2000 * 128
    assert weight_bytes(own) == sum(p.numel() * 4 for p in own.parameters()) + sum(b.numel() * b.element_size() for b in own.buffers())


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: quantise(nn.Linear(2, 2)), "quantise takes a Decoder, got Linear"),
        (lambda: quantise(Encoder(TransformerConfig(V=5, D=8, N=1, H=2, T_max=4))), "quantise takes a Decoder, got Encoder"),
        (lambda: quantise(decoder(V=None)), "V=None"),
        (lambda: quantise(Decoder(decoder().config, cross=True)), "without cross-attention"),
        (lambda: Int8Linear(nn.Linear(64, 2))(torch.zeros(1, 64)), "x must be bfloat16"),
        (lambda: Int8Linear(nn.Linear(64, 2))(torch.zeros(1, 63).bfloat16()), r"of shape \(…, 64\)"),
    ],
)
def test_wrong_arguments_get_one_sentence(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()
