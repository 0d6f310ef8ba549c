"""Writing: the same tokens with and without a cache, alone and in a batch, and as transformers writes them."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models import Decoder, EncoderDecoder, KVCache, TransformerConfig
from course_lib.models.cached import one_token
from course_lib.models.generation import next_token_probabilities

from .test_transformer import CONFIGS, T, V, close, ids

NEW = 7  # T + NEW = T_max


def model_of(config, build=Decoder):
    torch.manual_seed(0)
    return build(config).eval()


def until(stop_tokens, row):
    """The row up to its first stop token."""
    ends = [i for i, token in enumerate(row) if token in stop_tokens]
    return row[: ends[0] + 1] if ends else row


# -- the cache, the batch, the stream ------------------------------------------------------------------------


@given(CONFIGS)
def test_greedy_takes_the_likeliest_token_of_the_whole_text_read_again(config):
    model = model_of(config)
    text = ids(2, T)
    for _ in range(NEW):
        text = torch.cat((text, model(text)[:, -1:].argmax(-1)), 1)
    assert torch.equal(model.generate(ids(2, T), NEW), text)
    assert torch.equal(model.generate(ids(2, T), NEW, use_cache=False), text)


@given(CONFIGS, st.sampled_from([{"temperature": 1.0}, {"temperature": 0.7, "top_k": 4}, {"temperature": 2.0, "top_p": 0.8}, {"num_beams": 3}]), st.sampled_from([(), (3,), (1, 2)]))
def test_the_cache_changes_nothing(config, options, stop_tokens):
    model = model_of(config)
    a, b = (model.generate(ids(2, T), NEW, **options, stop_tokens=stop_tokens, seed=4, use_cache=use) for use in (True, False))
    assert torch.equal(a, b)


@given(CONFIGS)
def test_the_lean_step_is_the_block(config):
    model = model_of(config)
    lean, block, x = KVCache(2, config.H_kv or config.H, 4, config.head_width), KVCache(2, config.H_kv or config.H, 4, config.head_width), torch.randn(2, 4, config.D)
    step, rotary = one_token(model.blocks[0], lean), model.positions if config.positions == "rotary" else lambda where: None
    for t in range(4):
        where = slice(t, t + 1)
        close(step(x[:, t], None, rotary(where), None, None), model.blocks[0](x[:, where], causal=True, cache=block, rotary=rotary(where))[:, 0])
    close(lean.key, block.key)
    assert lean.length == block.length == 4


@given(CONFIGS, st.booleans(), st.sampled_from([{}, {"num_beams": 2}, {"use_cache": False}]), st.sampled_from([(), (3, 5)]))
def test_prompts_of_unequal_length_are_continued_as_each_alone(config, left, options, stop_tokens):
    model = model_of(config)
    prompts = [ids(n, seed=n) for n in (T, 4, 1)]
    batch, mask = torch.zeros(3, T, dtype=torch.long), torch.zeros(3, T, dtype=torch.bool)
    for b, prompt in enumerate(prompts):
        real = slice(T - len(prompt), T) if left else slice(0, len(prompt))
        batch[b, real], mask[b, real] = prompt, True
    together = model.generate(batch, NEW, mask=mask, stop_tokens=stop_tokens, **options)
    assert torch.equal(together[:, :T], batch)
    for b, prompt in enumerate(prompts):
        alone = model.generate(prompt[None], NEW, stop_tokens=stop_tokens, **options)[0, len(prompt) :].tolist()
        assert until(stop_tokens, together[b, T:].tolist()) == until(stop_tokens, alone)


@given(CONFIGS, st.sampled_from([{}, {"num_beams": 2}]))
def test_an_encoder_decoder_writes_the_same_with_and_without_cache_and_padding(config, options):
    model = model_of(config, EncoderDecoder)
    source = ids(2, T)
    target = model.generate(source, NEW, start=1, **options)
    assert target[:, 0].tolist() == [1, 1]
    assert torch.equal(model.generate(source, NEW, start=1, use_cache=False, **options), target)
    padded, mask = torch.cat((source, ids(2, 3)), 1), torch.arange(T + 3).expand(2, -1) < T
    assert torch.equal(model.generate(padded, NEW, start=1, mask=mask, **options), target)
    if not options:
        text = torch.ones(2, 1, dtype=torch.long)
        for _ in range(NEW):
            text = torch.cat((text, model(source, text)[:, -1:].argmax(-1)), 1)
        assert torch.equal(text, target)


def test_streaming_stopping_and_what_a_stopped_row_repeats():
    model = model_of(TransformerConfig(V, 16, 2, 2, T_max=64, init_std=0.3))
    whole = model.generate(ids(2, T), 30)
    assert torch.equal(torch.stack(list(itertools.islice(model.stream(ids(2, T), 30), 5)), 1), whole[:, T : T + 5])
    seen = []
    cut = model.generate(ids(2, T), 30, on_token=lambda tokens: seen.append(tokens) or len(seen) < 3)
    assert torch.equal(cut, whole[:, : T + 3])
    stop = int(whole[0, T + 2])
    ended = model.generate(ids(2, T), 30, stop_tokens=[stop])[:, T:].tolist()
    for row, free in zip(ended, whole[:, T:].tolist()):
        kept = until([stop], free)
        assert row == (kept + [stop] * 30)[: len(row)]
    assert max(len(until([stop], row)) for row in ended) == len(ended[0])  # it ends with the last row


def test_generation_leaves_no_trace():
    model = Decoder(TransformerConfig(V, 16, 1, 2, T_max=64, dropout=0.3, init_std=0.3))
    before = torch.get_rng_state()
    outputs = [model.generate(ids(1, T), 9, temperature=1.0, seed=3) for _ in range(2)]
    assert torch.equal(*outputs)  # a seed decides, dropout does not
    assert torch.equal(before, torch.get_rng_state())
    assert model.training
    assert not torch.equal(outputs[0], model.generate(ids(1, T), 9, temperature=1.0, seed=5))
    model(outputs[0]).sum().backward()  # what was written can be trained on
    beams = model.generate(ids(1, T), 9, num_beams=2)
    assert model.training
    model(beams).sum().backward()


# -- distributions -------------------------------------------------------------------------------------------


def test_next_token_probabilities_by_hand():
    logits = torch.tensor([0.5, 0.25, 0.15, 0.1]).log()
    close(next_token_probabilities(logits), torch.tensor([0.5, 0.25, 0.15, 0.1]))
    close(next_token_probabilities(logits, 0), torch.tensor([1.0, 0, 0, 0]))
    close(next_token_probabilities(logits, 0.5), torch.tensor([0.25, 0.0625, 0.0225, 0.01]) / 0.345)
    close(next_token_probabilities(logits, top_k=2), torch.tensor([2 / 3, 1 / 3, 0, 0]))
    close(next_token_probabilities(logits, top_p=0.6), torch.tensor([2 / 3, 1 / 3, 0, 0]))  # 0.5 is not enough
    close(next_token_probabilities(logits, top_p=0.4), torch.tensor([1.0, 0, 0, 0]))
    close(next_token_probabilities(logits, top_k=3, top_p=0.8), torch.tensor([2 / 3, 1 / 3, 0, 0]))  # first k, then p
    close(next_token_probabilities(logits, top_k=9, top_p=1.0), logits.exp())


@given(st.floats(0.1, 3), st.integers(1, 12), st.floats(0.01, 1))
def test_next_token_probabilities_equal_transformers(temperature, top_k, top_p):
    processors = pytest.importorskip("transformers.generation.logits_process")
    logits = torch.randn(3, 12)
    wanted = logits / temperature
    for step in (processors.TopKLogitsWarper(top_k), processors.TopPLogitsWarper(top_p)):
        wanted = step(None, wanted)
    close(next_token_probabilities(logits, temperature, top_k, top_p), wanted.softmax(-1))


def test_draws_follow_the_distribution():
    model = model_of(TransformerConfig(V, 16, 1, 2, T_max=64, init_std=0.3))
    drawn = model.generate(ids(1, T).expand(4000, T), 1, temperature=1.5, top_k=5, seed=0)[:, -1]
    expected = next_token_probabilities(model(ids(1, T))[0, -1], 1.5, top_k=5)
    close(torch.bincount(drawn, minlength=V) / 4000, expected.detach(), 0.03)


# -- the published implementation ----------------------------------------------------------------------------


@pytest.mark.parametrize(("K", "stop_tokens", "length_penalty"), [(1, [3], 1.0), (2, [], 1.0), (3, [3], 1.0), (4, [3, 7], 1.0), (2, [5], 0.0), (3, [2], 2.0), (3, [4], -1.0)])
def test_greedy_and_beams_equal_transformers(K, stop_tokens, length_penalty, tmp_path):
    transformers = pytest.importorskip("transformers")
    from course_lib.pretrained import load

    for seed in range(4):
        torch.manual_seed(seed)
        config = transformers.GPT2Config(vocab_size=20, n_embd=16, n_layer=2, n_head=2, n_positions=64, initializer_range=0.3, bos_token_id=0, eos_token_id=None)
        theirs = transformers.GPT2LMHeadModel(config).eval()
        theirs.save_pretrained(tmp_path)
        ours, _ = load(tmp_path)
        prompt = torch.randint(0, 20, (3, 5))
        wanted = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=15, num_beams=K, do_sample=False,
            eos_token_id=stop_tokens or None, pad_token_id=0, length_penalty=length_penalty,
        )  # fmt: skip
        own = ours.generate(prompt, 15, num_beams=K, stop_tokens=stop_tokens, length_penalty=length_penalty)
        for a, b in zip(own[:, 5:].tolist(), wanted[:, 5:].tolist()):
            assert until(stop_tokens, a) == until(stop_tokens, b)


# -- mistakes ------------------------------------------------------------------------------------------------

CONFIG = TransformerConfig(V, 8, 1, 2, T_max=16)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.generate(ids(1, 16), 1), "the prompt of 16 tokens is as long as the context, T_max = 16, or longer"),
        (lambda m: m.generate(ids(1, 9), 9), "a prompt of 9 tokens and 9 new ones do not fit in the context, T_max = 16"),
        (lambda m: m.generate(torch.zeros(1, 0, dtype=torch.long), 3), r"the prompt is empty: ids have shape \(1, 0\)"),
        (lambda m: m.generate(ids(5), 3), r"a prompt must be integer ids of shape \(B, T\), got torch.int64 of shape \(5,\)"),
        (lambda m: m.generate(torch.randn(1, 4), 3), "a prompt must be integer ids"),
        (lambda m: m.generate(torch.tensor([[V]]), 3), f"ids must lie in 0…{V - 1}, the model's vocabulary; got {V}…{V}"),
        (lambda m: m.generate(ids(1, 4), 0), "max_new_tokens must be ≥ 1, got 0"),
        (lambda m: m.generate(ids(1, 4), 3, temperature=-1), "temperature must be ≥ 0, got -1"),
        (lambda m: m.generate(ids(1, 4), 3, temperature=float("nan")), "temperature must be ≥ 0, got nan"),
        (lambda m: m.generate(ids(1, 4), 3, 1.0, top_p=0), r"top_p must lie in \(0, 1\], got 0"),
        (lambda m: m.generate(ids(1, 4), 3, 1.0, top_p=1.5), r"top_p must lie in \(0, 1\], got 1\.5"),
        (lambda m: m.generate(ids(1, 4), 3, 1.0, top_k=0), "top_k must be ≥ 1, got 0"),
        (lambda m: m.generate(ids(1, 4), 3, num_beams=0), "num_beams must be ≥ 1, got 0"),
        (lambda m: m.generate(ids(1, 4), 3, num_beams=2, temperature=1.0), "temperature must be 0, got 1"),
        (lambda m: m.generate(ids(1, 4), 3, num_beams=2, on_token=print), "on_token needs num_beams=1"),
        (lambda m: m.generate(ids(1, 4), 3, stop_tokens=[V]), rf"stop_tokens must lie in 0…{V - 1}, got \[{V}\]"),
        (lambda m: m.generate(ids(2, 4), 3, mask=torch.ones(2, 5)), r"mask must have the shape of ids, \(2, 4\), got \(2, 5\)"),
        (lambda m: m.generate(ids(2, 4), 3, mask=torch.tensor([[1] * 4, [0] * 4])), "a prompt is empty: its mask hides all its tokens"),
        (lambda m: Decoder(TransformerConfig(None, 8, 1, 2)).generate(ids(1, 2), 3), "this model has no vocabulary to write in"),
        (lambda m: EncoderDecoder(CONFIG).generate(ids(1, 2), 3, start=V), f"ids must lie in 0…{V - 1}"),
        (lambda m: next_token_probabilities(torch.zeros(3), top_p=-0.1), r"top_p must lie in \(0, 1\]"),
    ],
)
def test_a_mistake_gets_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call(Decoder(CONFIG))
