"""Attention: four ways of computing it are one, torch.nn's included; masks mean what they say; the cache changes nothing."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_lib.checks import InputError
from course_lib.models import Block, KVCache, MultiHeadAttention, attention
from course_lib.models.attention import (
    SCHEDULES,
    attention_by_hand,
    attention_weights,
    causal_mask,
    padding_mask,
    window_mask,
)

f64 = torch.float64


def close(own, other, tolerance=1e-10):
    torch.testing.assert_close(own, other, rtol=tolerance, atol=tolerance)


def qkv(*batch, T, S, d):
    return tuple(torch.randn(*batch, n, d, dtype=f64, requires_grad=True) for n in (T, S, S))


# -- four ways, one answer ----------------------------------------------------------------------------------


@given(T=st.integers(1, 6), S=st.integers(1, 6), d=st.integers(1, 4), masked=st.sampled_from(["no", "mask", "row hidden"]))
def test_three_loops_over_numbers_equal_every_schedule(T, S, d, masked):
    query, key, value = qkv(T=T, S=S, d=d)
    mask = None if masked == "no" else torch.rand(T, S) < 0.6
    if masked == "row hidden":
        mask[-1] = False
    truth = attention_by_hand(query, key, value, mask)
    for schedule in SCHEDULES:
        close(attention(query, key, value, mask, schedule=schedule), truth)
    if masked == "row hidden":
        assert (truth[-1] == 0).all()


@given(
    B=st.integers(1, 3), H=st.integers(1, 3), T=st.integers(1, 9), older=st.integers(0, 4), causal=st.booleans(),
    mask_shape=st.sampled_from([None, (), ("B", 1, 1, "S"), (1, "H", "T", "S"), ("B", "H", "T", "S"), ("T", "S"), ("S",)]),
)  # fmt: skip
def test_schedules_agree_in_output_and_gradient(B, H, T, older, causal, mask_shape):
    S = T + older
    inputs = qkv(B, H, T=T, S=S, d=3)
    mask = None if mask_shape is None else torch.rand([{"B": B, "H": H, "T": T, "S": S}.get(n, 1) for n in mask_shape]) < 0.7
    dy = torch.randn(B, H, T, 3, dtype=f64)
    results = []
    for schedule in SCHEDULES:
        y = attention(*inputs, mask, causal, schedule)
        results.append([y, *torch.autograd.grad(y, inputs, dy)])
    for result in results[1:]:
        for own, other in zip(result, results[0], strict=True):
            close(own, other)


def test_a_row_that_sees_nothing_is_zero_and_harms_no_gradient():
    for schedule in SCHEDULES:
        query, key, value = qkv(1, 2, T=3, S=4, d=2)
        mask = torch.ones(3, 4, dtype=torch.bool)
        mask[1] = False
        y = attention(query, key, value, mask, schedule=schedule)
        assert (y[:, :, 1] == 0).all()
        y.sum().backward()
        assert all(torch.isfinite(t.grad).all() for t in (query, key, value))
        assert (query.grad[:, :, 1] == 0).all()


def test_weights_are_a_distribution_over_what_may_be_seen():
    query, key, _ = qkv(2, T=5, S=5, d=3)
    mask = causal_mask(5)
    weights = attention_weights(query, key, mask)
    close(weights.sum(-1), torch.ones(2, 5, dtype=f64))
    assert (weights[:, ~mask] == 0).all()


# -- masks --------------------------------------------------------------------------------------------------


@given(T=st.integers(1, 9), extra=st.integers(0, 5), window=st.integers(1, 12), causal=st.booleans())
def test_masks_are_what_their_definition_says(T, extra, window, causal):
    S = T + extra
    assert causal_mask(T, S).tolist() == [[s <= t + extra for s in range(S)] for t in range(T)]
    near = [[abs(t - s) < window and (s <= t or not causal) for s in range(T)] for t in range(T)]
    assert window_mask(T, window, causal).tolist() == near
    lengths = torch.tensor([0, S // 2, S])
    assert padding_mask(lengths, S).tolist() == [[[[s < n for s in range(S)]]] for n in (0, S // 2, S)]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("layer", [MultiHeadAttention(8, 2, dtype=f64), Block(8, 2, dtype=f64), Block(8, 2, norm="post", dtype=f64)])
def test_padding_changes_nothing(layer, schedule):
    x = torch.randn(3, 7, 8, dtype=f64)
    lengths = torch.tensor([7, 4, 1])
    y = layer(x, mask=padding_mask(lengths, 7), schedule=schedule)
    for row, n in enumerate(lengths.tolist()):
        close(y[row, :n], layer(x[row : row + 1, :n], schedule=schedule)[0])


# -- causality ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("kind", [MultiHeadAttention, Block])
def test_no_output_depends_on_a_later_input(kind, schedule):
    layer, T = kind(6, 2, dtype=f64), 5
    x = torch.randn(1, T, 6, dtype=f64)

    def run(x):
        return layer(x, causal=True, schedule=schedule)

    for k in range(T):  # by perturbation
        changed = x.clone()
        changed[:, k] = torch.randn(6, dtype=f64)
        moved = (run(changed) - run(x)).abs().sum(-1)[0] > 1e-9
        assert moved.tolist() == [t >= k for t in range(T)]
    jacobian = torch.autograd.functional.jacobian(run, x)[0, :, :, 0]  # (T, D, T, D)
    reached = jacobian.abs().amax((1, 3)) > 1e-12  # (T outputs, T inputs)
    assert reached.tolist() == causal_mask(T).tolist()


# -- torch.nn -----------------------------------------------------------------------------------------------


def gradients(module, y, dy):
    return dict(zip(dict(module.named_parameters()), torch.autograd.grad(y, list(module.parameters()), dy)))


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cross", [False, True])
def test_equals_torch_multihead_attention(bias, cross):
    theirs = nn.MultiheadAttention(12, 3, bias=bias, batch_first=True, dtype=f64)
    if bias:
        nn.init.normal_(theirs.in_proj_bias)
    ours = MultiHeadAttention.from_torch(theirs)
    x = torch.randn(2, 5, 12, dtype=f64)
    memory = torch.randn(2, 7, 12, dtype=f64) if cross else x
    mask = None if cross else causal_mask(5)
    wanted, weights = theirs(x, memory, memory, attn_mask=None if mask is None else ~mask, average_attn_weights=False)
    y = ours(x, memory if cross else None, mask)
    close(y, wanted)
    close(ours.weights(x, memory if cross else None, causal=not cross), weights)
    dy = torch.randn_like(y)
    own, other = gradients(ours, y, dy), gradients(theirs, wanted, dy)
    names = {"query_key_value.weight": "in_proj_weight", "out.weight": "out_proj.weight"}
    names |= {"query_key_value.bias": "in_proj_bias", "out.bias": "out_proj.bias"} if bias else {}
    assert set(own) == set(names)
    for name, name_there in names.items():
        close(own[name], other[name_there])


@pytest.mark.parametrize("norm_first", [True, False])
def test_block_equals_torch_encoder_layer(norm_first):
    theirs = nn.TransformerEncoderLayer(12, 3, 20, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first, dtype=f64)
    for p in theirs.parameters():
        nn.init.normal_(p, std=0.3)  # torch starts biases at 0 and norms at 1, where a mix-up would not show
    ours = Block.from_torch(theirs)
    x = torch.randn(2, 6, 12, dtype=f64)
    y, wanted = ours(x, causal=True), theirs(x, src_mask=~causal_mask(6))
    close(y, wanted)
    dy = torch.randn_like(y)
    own, other = gradients(ours, y, dy), gradients(theirs, wanted, dy)
    assert len(own) == len(other)
    close(sorted(g.norm().item() for g in own.values()), sorted(g.norm().item() for g in other.values()))
    close(own["attention.query_key_value.weight"], other["self_attn.in_proj_weight"])


# -- the cache ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [MultiHeadAttention, Block])
@pytest.mark.parametrize("schedule", SCHEDULES)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=6))
def test_cached_in_any_chunks_equals_uncached(kind, schedule, cuts):
    layer, T = kind(8, 2, dtype=f64), sum(cuts)
    x = torch.randn(2, T, 8, dtype=f64)
    cache = KVCache(2, 2, T, 4, dtype=f64)
    with torch.no_grad():
        parts = [layer(piece, causal=True, cache=cache, schedule=schedule) for piece in x.split(cuts, 1)]
        close(torch.cat(parts, 1), layer(x, causal=True, schedule=schedule))
    assert cache.length == T


def test_cache_counts_its_bytes_and_says_when_it_is_full():
    cache = KVCache(2, 3, 4, 5, dtype=torch.float32)
    assert cache.nbytes == 0
    key, value = torch.randn(2, 2, 3, 3, 5).unbind(0)
    keys, values = cache.append(key, value)
    assert torch.equal(keys, key)
    assert torch.equal(values, value)
    assert cache.nbytes == 2 * 2 * 3 * 3 * 5 * 4
    with pytest.raises(InputError, match=r"T_max = 4 tokens; 3 are stored and 2 more do not fit"):
        cache.append(key[:, :, :2], value[:, :, :2])
    assert cache.length == 3  # what did not fit left nothing behind
    cache.append(key[:, :, :1], value[:, :, :1])
    assert KVCache(1, 1, 1, 1, dtype=torch.bfloat16).append(*torch.zeros(2, 1, 1, 1, 1).unbind(0))[0].element_size() == 2


# -- one sentence for a mistake -----------------------------------------------------------------------------

X = torch.zeros(2, 5, 8)
Q = torch.zeros(2, 2, 5, 4)
BAD = [
    ("D must be divisible by H", lambda: MultiHeadAttention(8, 3)),
    ("H", lambda: MultiHeadAttention(8, 0)),
    ("D_ff", lambda: Block(8, 2, D_ff=0)),
    ("norm", lambda: Block(8, 2, norm="none")),
    ("x must", lambda: MultiHeadAttention(8, 2)(X[0])),
    ("width 8", lambda: MultiHeadAttention(8, 2)(X[..., :4])),
    ("T must", lambda: MultiHeadAttention(8, 2)(X[:, :0])),
    ("memory", lambda: MultiHeadAttention(8, 2)(X, memory=torch.zeros(2, 5, 4))),
    ("schedule", lambda: attention(Q, Q, Q, schedule="flash")),
    ("key", lambda: attention(Q, Q[..., :2], Q)),
    ("value", lambda: attention(Q, Q, Q[:, :, :3])),
    ("mask must be boolean", lambda: attention(Q, Q, Q, mask=torch.zeros(5, 5))),
    ("mask", lambda: attention(Q, Q, Q, mask=torch.ones(4, 4, dtype=torch.bool))),
    ("mask", lambda: attention(Q, Q, Q, mask=torch.ones(4, 4, dtype=torch.bool), causal=True, schedule="naive")),
    ("S=3", lambda: attention(Q, Q[:, :, :3], Q[:, :, :3], causal=True)),
    ("T", lambda: causal_mask(0)),
    ("S must be ≥ 4", lambda: causal_mask(4, 3)),
    ("window", lambda: window_mask(4, 0)),
    ("lengths", lambda: padding_mask(torch.tensor([5]), 4)),
    ("lengths", lambda: padding_mask(torch.tensor([[1]]), 4)),
    ("T_max", lambda: KVCache(1, 1, 0, 1)),
    ("key", lambda: KVCache(2, 2, 9, 4).append(Q[:1], Q[:1])),
    ("key", lambda: KVCache(2, 2, 9, 4).append(Q[0, 0, 0], Q)),
    ("value", lambda: KVCache(2, 2, 9, 4).append(Q, Q[:, :, :1])),
    ("from_torch", lambda: MultiHeadAttention.from_torch(nn.MultiheadAttention(8, 2, kdim=4))),
    ("activation", lambda: Block.from_torch(nn.TransformerEncoderLayer(8, 2))),
]


@pytest.mark.parametrize(("named", "call"), BAD, ids=[f"{i}-{named}" for i, (named, _) in enumerate(BAD)])
def test_a_mistake_gets_one_sentence(named, call):
    with pytest.raises(InputError) as error:
        call()
    assert named in str(error.value)
    assert "\n" not in str(error.value)
