"""The Transformer: equal to the published implementation whatever the switches; masks, padding and heads mean what they say."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models import Block, Decoder, Encoder, EncoderDecoder, KVCache, TransformerConfig
from course_lib.models.config import ACTIVATIONS, NORM_KINDS, NORMS, POSITIONS
from course_lib.models.positions import RelativeBias, Rotary, relative_buckets, rotate, sinusoids

V, T = 17, 9

CONFIGS = st.builds(
    TransformerConfig,
    V=st.just(V),
    D=st.sampled_from([8, 16]),
    N=st.integers(1, 2),
    H=st.sampled_from([2, 4]),
    T_max=st.just(16),
    D_ff=st.sampled_from([None, 12]),
    d=st.sampled_from([None, 6]),
    H_kv=st.sampled_from([None, 1, 2]),
    norm=st.sampled_from(NORMS),
    norm_kind=st.sampled_from(NORM_KINDS),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    positions=st.sampled_from(POSITIONS),
    bias=st.booleans(),
    tied_head=st.booleans(),
    token_types=st.sampled_from([0, 2]),
    embedding_norm=st.booleans(),
    buckets=st.sampled_from([8, 32]),
    reach=st.sampled_from([20, 128]),
    init_std=st.just(0.3),  # large, so that a difference shows
)


def close(own, other, tolerance=1e-5):
    torch.testing.assert_close(own, other, rtol=tolerance, atol=tolerance)


def ids(*shape, seed=1):
    return torch.randint(0, V, shape, generator=torch.Generator().manual_seed(seed))


# -- what each class promises --------------------------------------------------------------------------------


@given(CONFIGS)
def test_shapes_gradients_and_every_way_of_computing_attention(config):
    for build in (Encoder, Decoder):
        model = build(config)
        wanted = (2, T, config.D if build is Encoder else V)
        outputs = [model(ids(2, T), schedule=schedule) for schedule in ("sdpa", "naive", "loop")]
        assert outputs[0].shape == wanted
        close(outputs[0], outputs[1])
        close(outputs[0], outputs[2])
        outputs[0].square().sum().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None, name


@given(CONFIGS, st.integers(1, T - 1))
def test_a_decoder_cannot_see_the_future_and_an_encoder_can(config, t):
    before, after = ids(2, T), ids(2, T)
    after[:, t:] = (after[:, t:] + 1) % V
    decoder, encoder = Decoder(config).eval(), Encoder(config).eval()
    close(decoder(before)[:, :t], decoder(after)[:, :t])
    assert (encoder(before)[:, :t] - encoder(after)[:, :t]).abs().max() > 1e-6


@given(CONFIGS, st.sampled_from([Encoder, Decoder]), st.booleans())
def test_padding_changes_nothing(config, build, left):
    model = build(config).eval()
    lengths = [T, T - 3, 1]
    x, mask = torch.zeros(3, T, dtype=torch.long), torch.zeros(3, T, dtype=torch.bool)
    for b, n in enumerate(lengths):
        real = slice(T - n, T) if left else slice(0, n)
        x[b, real], mask[b, real] = ids(n, seed=b), True
    together = model(x, mask)
    for b, n in enumerate(lengths):
        close(together[b][mask[b]], model(ids(1, n, seed=b))[0])
    close(together[mask], model((x + ~mask) % V, mask)[mask])  # whatever stands in the padding


@given(CONFIGS, st.integers(1, T - 1))
def test_reading_in_pieces_with_a_cache_is_reading_at_once(config, t):
    model = Decoder(config).eval()
    caches = [KVCache(2, config.H_kv or config.H, T, config.head_width) for _ in range(config.N)]
    x = ids(2, T)
    pieces = [model(x[:, :t], caches=caches), model(x[:, t:], caches=caches)]
    close(torch.cat(pieces, 1), model(x))


@given(CONFIGS)
def test_weights_states_and_ablated_heads(config):
    model, x = Decoder(config).eval(), ids(2, T)
    weights, states = model.attention_weights(x), model.hidden_states(x)
    assert len(weights) == config.N
    assert len(states) == config.N + 1
    for w in weights:
        assert w.shape == (2, config.H, T, T)
        close(w.sum(-1), torch.ones(2, config.H, T))
        assert w.triu(1).abs().max() == 0  # nobody looks ahead
    last = states[-1] if model.last_norm is None else model.last_norm(states[-1])
    close(model.logits(last), model(x))
    close(model(x, head_mask=torch.ones(config.N, config.H)), model(x))
    out = model.blocks[0].attention.out
    with torch.no_grad():  # a head taken out is a head whose part of the output matrix is zero
        head_mask = torch.ones(config.N, config.H)
        head_mask[0, 1] = 0
        ablated = model(x, head_mask=head_mask)
        out.weight[:, config.head_width : 2 * config.head_width] = 0
        close(ablated, model(x))


@given(CONFIGS, st.booleans())
def test_encoder_decoder_looks_back_at_all_of_the_source_and_none_of_its_padding(config, two_vocabularies):
    target = dataclasses.replace(config, V=V + 3) if two_vocabularies else None
    model = EncoderDecoder(config, target).eval()
    assert (model.encoder.embedding is model.decoder.embedding) is (not two_vocabularies)
    source, y = ids(2, T), ids(2, 5, seed=2)
    logits = model(source, y)
    assert logits.shape == (2, 5, V + 3 if two_vocabularies else V)
    changed = y.clone()
    changed[:, 3:] = (changed[:, 3:] + 1) % V
    close(model(source, changed)[:, :3], logits[:, :3])
    padded, mask = torch.cat((source, ids(2, 4)), 1), torch.arange(T + 4).expand(2, -1) < T
    close(model(padded, y, mask), logits)
    other = (source + 1) % V
    assert (model(other, y)[:, 0] - logits[:, 0]).abs().max() > 1e-6
    weights = model.attention_weights(source, y)
    assert [w.shape[-2:] for w in (weights.encoder[0], weights.decoder[0], weights.cross[0])] == [(T, T), (5, 5), (5, T)]
    assert len(weights.cross) == config.N


def test_numbers_may_take_the_place_of_ids():
    config = TransformerConfig(V=None, D=8, N=1, H=2, T_max=T)
    x = torch.randn(2, T, 8)
    assert Encoder(config)(x).shape == Decoder(config)(x).shape == (2, T, 8)
    named = Encoder(dataclasses.replace(config, V=V))
    close(named(ids(2, T)), named(named.embedding(ids(2, T))))


def test_dropout_only_in_training_and_initialisation_as_told():
    config = TransformerConfig(V=V, D=64, N=2, H=2, dropout=0.5)
    model, x = Decoder(config), ids(2, T)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))
    assert model.embedding.weight.std().item() == pytest.approx(0.02, rel=0.1)
    assert model.blocks[0].feed_forward[2].weight.std().item() == pytest.approx(0.01, rel=0.1)  # 0.02/√(2N)
    quiet = Decoder(dataclasses.replace(config, zero_init=True)).eval()
    close(quiet.hidden_states(x)[0], quiet.hidden_states(x)[-1])  # at first each block changes nothing
    assert model.head is None
    assert sum(p.numel() for p in Decoder(dataclasses.replace(config, tied_head=False)).parameters()) == sum(p.numel() for p in model.parameters()) + V * 64


def test_fewer_key_heads_are_repeated_key_heads():
    grouped, full = (Decoder(TransformerConfig(V, 8, 1, 4, H_kv=H_kv, bias=False)) for H_kv in (2, 4))
    state = grouped.state_dict()
    query, key, value = state["blocks.0.attention.query_key_value.weight"].split((8, 4, 4))
    twice = [x.view(2, 1, 2, 8).expand(2, 2, 2, 8).reshape(8, 8) for x in (key, value)]
    full.load_state_dict(state | {"blocks.0.attention.query_key_value.weight": torch.cat((query, *twice))})
    close(grouped(ids(2, T)), full(ids(2, T)))


# -- positions -----------------------------------------------------------------------------------------------


def test_sinusoids_are_the_papers_formula():
    table = sinusoids(7, 6)
    for t in range(7):
        for i in range(3):
            angle = torch.tensor(t / 10_000 ** (2 * i / 6))
            close(table[t, 2 * i : 2 * i + 2], torch.stack((angle.sin(), angle.cos())))


def test_rotary_scores_depend_on_the_distance_alone():
    rotary, q, k = Rotary(40, 8), torch.randn(8), torch.randn(8)

    def score(t, s):
        turn = lambda x, n: rotate(x.view(1, 1, 1, 8), rotary(slice(n, n + 1)))  # noqa: E731
        return (turn(q, t) * turn(k, s)).sum()

    close(score(3, 1), score(30, 28), 1e-4)
    close(score(0, 0), (q * k).sum())
    assert abs(score(3, 1) - score(4, 1)) > 1e-4
    x = torch.randn(2, 3, 5, 8)
    close(rotate(x, rotary(slice(0, 5))), rotate(x, rotary(torch.arange(5).expand(2, 5))))
    close(rotate(x, rotary(slice(0, 5))).norm(dim=-1), x.norm(dim=-1))  # turning keeps lengths


def test_relative_buckets_grow_with_the_distance():
    near = relative_buckets(-torch.arange(200), 32, 128, both_ways=False)
    assert near[:16].tolist() == list(range(16))
    assert (near.diff() >= 0).all()
    assert near[128:].eq(31).all()
    assert relative_buckets(torch.tensor([5, 0]), 32, 128, both_ways=False).tolist() == [0, 0]
    assert relative_buckets(torch.tensor([5, -5]), 32, 128, both_ways=True).tolist() == [21, 5]
    bias = RelativeBias(2)
    close(bias(3, 9), bias(9, 9)[:, 6:])


# -- mistakes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"V": 0}, "V must be ≥ 1, got 0"),
        ({"V": 2.5}, r"V must be an integer, got 2\.5"),
        ({"D": 30}, "D must be divisible by H, got D=30, H=4"),
        ({"N": 0}, "N must be ≥ 1, got 0"),
        ({"T_max": -1}, "T_max must be ≥ 1, got -1"),
        ({"H_kv": 3}, "H must be divisible by H_kv, got H=4, H_kv=3"),
        ({"norm": "both"}, "norm must be one of pre, post; got 'both'"),
        ({"norm_kind": "batch"}, "norm_kind must be one of layer, rms"),
        ({"activation": "tanh"}, "activation must be one of gelu, .*; got 'tanh'"),
        ({"positions": "alibi"}, "positions must be one of learned, .*; got 'alibi'"),
        ({"positions": "rotary", "D": 12}, "rotary positions need an even head width, got 3"),
        ({"positions": "sinusoidal", "D": 9, "H": 1}, "sinusoidal positions need an even D, got 9"),
        ({"positions": "relative", "buckets": 2}, "relative positions need buckets ≥ 4 and reach > buckets/2, got 2 and 128"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1\.0"),
        ({"eps": 0}, "eps must be > 0, got 0"),
        ({"bias": "no"}, "bias must be True or False, got 'no'"),
        ({"token_types": -1}, "token_types must be ≥ 0, got -1"),
    ],
)
def test_a_wrong_config_gets_one_sentence(change, message):
    with pytest.raises(InputError, match=message):
        TransformerConfig(**({"V": V} | change))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m(ids(1, 17)), "the sequence of 17 tokens is longer than the context, T_max = 16"),
        (lambda m: m(torch.tensor([[0, V]])), f"ids must lie in 0…{V - 1}, got 0…{V}"),
        (lambda m: m(torch.tensor([[-1, 2]])), f"ids must lie in 0…{V - 1}, got -1…2"),
        (lambda m: m(ids(3)), r"ids must be integers of shape \(B, T\), or numbers of shape \(B, T, 8\), got torch.int64 of shape \(3,\)"),
        (lambda m: m(torch.randn(1, 3, 5)), r"got torch.float32 of shape \(1, 3, 5\)"),
        (lambda m: m(torch.zeros(2, 0, dtype=torch.long)), r"T must be ≥ 1, got ids of shape \(2, 0\)"),
        (lambda m: m(ids(2, 4), torch.ones(2, 5)), r"mask must have shape \(2, 4\), got \(2, 5\)"),
        (lambda m: Encoder(TransformerConfig(None, 8, 1, 2))(ids(1, 2)), r"this model reads numbers \(B, T, D\), not ids"),
        (lambda m: Block(8, 2, activation="tanh"), "activation must be one of"),
        (lambda m: EncoderDecoder(m.config, TransformerConfig(V, 16, 1, 2)), "source and target must have the same width D"),
    ],
)
def test_a_mistake_gets_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call(Decoder(TransformerConfig(V, 8, 1, 2, T_max=16)))


def test_relative_and_no_positions_know_no_longest_sequence():
    for positions in ("relative", "none"):
        assert Decoder(TransformerConfig(V, 8, 1, 2, T_max=4, positions=positions))(ids(1, 9)).shape == (1, 9, V)


@pytest.mark.parametrize("size", [10, 2**15])
def test_the_quick_gelu_is_the_kernels(size):
    gelu, x = ACTIVATIONS["gelu_tanh"](), (torch.randn(size) * 4).requires_grad_()
    gradient = torch.randn(size)
    expected = torch.nn.functional.gelu(x, approximate="tanh")
    torch.testing.assert_close(gelu(x), expected, rtol=1e-5, atol=1e-6)
    own, theirs = (torch.autograd.grad(y, x, gradient)[0] for y in (gelu(x), expected))
    torch.testing.assert_close(own, theirs, rtol=1e-4, atol=1e-5)


def test_the_quick_gelu_bears_extremes():
    x = torch.tensor([-1e4, -30.0, 0.0, 30.0, 1e4]).repeat(2**14).requires_grad_()
    y = ACTIVATIONS["gelu_tanh"]()(x)
    y.sum().backward()
    assert y[:5].tolist() == [0, 0, 0, 30, 1e4]
    assert x.grad[:5].tolist() == [0, 0, 0.5, 1, 1]
