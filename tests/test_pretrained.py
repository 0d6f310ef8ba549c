"""Published weights in the course's classes: the same numbers as transformers, and no file that does not fit to the last tensor."""

import json
import re

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_lib import data
from course_lib.checks import InputError
from course_lib.models import Decoder, TransformerConfig
from course_lib.pretrained import chat_prompt, embed, load
from tests.published import published_smollm2

V, T = 40, 9


@pytest.fixture(scope="session")
def transformers():
    module = pytest.importorskip("transformers")
    module.logging.set_verbosity_error()
    module.logging.disable_progress_bar()
    return module


def ids(*shape, seed=1):
    return torch.randint(1, V, shape, generator=torch.Generator().manual_seed(seed))


def gap(own, other):
    return (own - other).abs().max().item()


# -- random small models of every family, saved by transformers, read by the course -----------------------------

FAMILIES = {
    "bert": ("BertConfig", "BertModel", dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=24, max_position_embeddings=20)),
    "bert relu, for masked words": ("BertConfig", "BertForMaskedLM", dict(hidden_size=12, num_hidden_layers=1, num_attention_heads=2, intermediate_size=20, max_position_embeddings=12, hidden_act="relu", type_vocab_size=3)),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", dict(n_embd=16, n_layer=2, n_head=4, n_positions=20)),
    "gpt2 untied, relu": ("GPT2Config", "GPT2LMHeadModel", dict(n_embd=12, n_layer=1, n_head=2, n_positions=12, n_inner=20, activation_function="relu", tie_word_embeddings=False)),
    "llama": ("LlamaConfig", "LlamaForCausalLM", dict(hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=20)),
    "llama tied, wide heads": ("LlamaConfig", "LlamaForCausalLM", dict(hidden_size=12, intermediate_size=20, num_hidden_layers=1, num_attention_heads=2, head_dim=10, num_key_value_heads=1, max_position_embeddings=20, tie_word_embeddings=True, rope_theta=500.0)),
    "t5": ("T5Config", "T5ForConditionalGeneration", dict(d_model=16, d_kv=6, d_ff=24, num_layers=2, num_heads=4, dropout_rate=0.0)),
    "t5 gated": ("T5Config", "T5ForConditionalGeneration", dict(d_model=12, d_kv=4, d_ff=20, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu", tie_word_embeddings=False, relative_attention_num_buckets=8, relative_attention_max_distance=20)),
}  # fmt: skip


def save(transformers, family, folder, **more):
    config, model, facts = FAMILIES[family]
    torch.manual_seed(len(family))
    theirs = getattr(transformers, model)(getattr(transformers, config)(vocab_size=V, bos_token_id=0, eos_token_id=1, pad_token_id=0, **(facts | more))).eval()
    for p in theirs.parameters():  # norms and biases too: a constant would hide a mix-up
        torch.nn.init.normal_(p, std=0.3) if p.ndim > 1 else torch.nn.init.normal_(p, 1.0 if p.data.mean() > 0.5 else 0.0, 0.2)
    theirs.save_pretrained(folder)
    return theirs


def outputs(theirs, ours, x, y=None, mask=None):
    """(theirs, ours) on the same ids."""
    if y is not None:
        return theirs(input_ids=x, decoder_input_ids=y, attention_mask=mask).logits, ours(x, y, mask)
    if type(theirs).__name__.startswith("Bert"):
        return getattr(theirs, "bert", theirs)(input_ids=x, attention_mask=mask).last_hidden_state, ours(x, mask)
    return theirs(input_ids=x, attention_mask=mask).logits, ours(x, mask)


@pytest.mark.parametrize("family", FAMILIES)
def test_outputs_equal_transformers(transformers, family, tmp_path):
    theirs = save(transformers, family, tmp_path)
    ours, tokenizer = load(tmp_path)
    assert tokenizer is None
    assert not ours.training
    y = ids(3, 6, seed=2) if family.startswith("t5") else None
    mask = torch.arange(T).expand(3, -1) < torch.tensor([T, 5, 2])[:, None]
    with torch.no_grad():
        for m in (None, mask):
            wanted, own = outputs(theirs, ours, ids(3, T), y, None if m is None else m.long())
            seen = slice(None) if m is None or y is not None else m
            assert gap(own[seen], wanted[seen]) <= 1e-4
    missing = sum(p.numel() for p in theirs.parameters()) - sum(p.numel() for p in ours.parameters())
    heads = [p.numel() for name, p in theirs.named_parameters() if re.match(r"pooler|cls", name)]  # not in the encoder
    assert missing == sum(heads)


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "t5"])
def test_gradients_equal_transformers(transformers, family, tmp_path):
    theirs = save(transformers, family, tmp_path)
    ours, _ = load(tmp_path)
    y = ids(2, 6, seed=2) if family == "t5" else None
    wanted, own = outputs(theirs, ours, ids(2, T), y)
    up = torch.randn_like(wanted)
    wanted.backward(up)
    own.backward(up)
    pairs = {
        "bert": ("embedding", "embeddings.word_embeddings"),
        "gpt2": ("embedding", "transformer.wte"),
        "llama": ("embedding", "model.embed_tokens"),
        "t5": ("encoder.embedding", "shared"),
    }
    mine, their = (m.get_submodule(name).weight.grad for m, name in zip((ours, theirs), pairs[family]))  # through everything
    assert gap(mine, their) <= 1e-4 * their.abs().max()
    if family == "gpt2":
        assert gap(ours.blocks[0].feed_forward[0].weight.grad, theirs.transformer.h[0].mlp.c_fc.weight.grad.t()) <= 1e-3


@pytest.mark.parametrize("family", ["llama", "llama tied, wide heads", "t5", "t5 gated"])
def test_written_tokens_equal_transformers(transformers, family, tmp_path):
    theirs, (ours, _) = save(transformers, family, tmp_path), load(tmp_path)
    x = ids(2, T)
    for K in (1, 3):
        new = 8 if family.startswith("llama") else 12
        wanted = theirs.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=new, do_sample=False, num_beams=K, eos_token_id=[1], pad_token_id=1)
        own = ours.generate(x, new, num_beams=K, stop_tokens=[1])
        assert own[:, : wanted.shape[1]].tolist() == wanted.tolist()


def test_shards_prefixes_old_spellings_and_dtypes(transformers, tmp_path):
    theirs = save(transformers, "bert", tmp_path / "one")
    whole = safetensors.torch.load_file(tmp_path / "one" / "model.safetensors")
    theirs.save_pretrained(tmp_path / "many", max_shard_size="5KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    old = tmp_path / "old"
    old.mkdir()
    (old / "config.json").write_text((tmp_path / "one" / "config.json").read_text())
    renamed = {"bert." + k.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): v for k, v in whole.items()}
    safetensors.torch.save_file(renamed | {"bert.embeddings.position_ids": torch.arange(20)[None], "cls.predictions.bias": torch.zeros(V)}, old / "model.safetensors")
    one = load(tmp_path / "one")[0]
    for folder in ("many", "old"):
        other = load(tmp_path / folder)[0]
        assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters()))
    half = load(tmp_path / "one", dtype=torch.bfloat16)[0]
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    assert gap(half(ids(1, T)).float(), one(ids(1, T))) < 0.3


def test_a_loaded_model_can_be_trained_and_copied(transformers, tmp_path):
    save(transformers, "t5", tmp_path)
    model = load(tmp_path)[0]
    assert model.decoder.embedding is model.encoder.embedding  # one matrix, one gradient
    before = model(ids(1, T), ids(1, 4))
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    before.logsumexp(-1).sum().backward()
    optimiser.step()
    assert gap(model(ids(1, T), ids(1, 4)), before) > 0


# -- files that do not fit --------------------------------------------------------------------------------------


@pytest.fixture
def gpt2(tmp_path):
    """A folder with a small GPT-2, made without transformers; returns it with its tensors and its config."""
    D, N = 8, 2
    tensors = {"wte.weight": (V, D), "wpe.weight": (12, D), "ln_f.weight": (D,), "ln_f.bias": (D,)}
    for n in range(N):
        tensors |= {f"h.{n}.{norm}.{x}": (D,) for norm in ("ln_1", "ln_2") for x in ("weight", "bias")}
        for name, (rows, columns) in {"attn.c_attn": (D, 3 * D), "attn.c_proj": (D, D), "mlp.c_fc": (D, 4 * D), "mlp.c_proj": (4 * D, D)}.items():
            tensors |= {f"h.{n}.{name}.weight": (rows, columns), f"h.{n}.{name}.bias": (columns,)}
    tensors = {name: torch.randn(shape) for name, shape in tensors.items()}
    facts = {"model_type": "gpt2", "vocab_size": V, "n_embd": D, "n_layer": N, "n_head": 2, "n_positions": 12}

    def write(tensors=tensors, facts=facts):
        (tmp_path / "config.json").write_text(json.dumps(facts))
        safetensors.torch.save_file(tensors, tmp_path / "model.safetensors")
        return tmp_path

    return write, tensors, facts


def test_the_file_as_it_is_fits(gpt2):
    write, tensors, _ = gpt2
    model, tokenizer = load(write())
    assert tokenizer is None
    assert torch.equal(model.embedding.weight, tensors["wte.weight"])
    load(write(tensors | {"lm_head.weight": tensors["wte.weight"].clone(), "h.0.attn.bias": torch.ones(1, 1, 12, 12)}))  # the same again; the mask


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"h.1.mlp.c_fc.bias": None}, r"lacks the tensor 'h\.1\.mlp\.c_fc\.bias' of shape \(32,\)"),
        ({"wpe.weight": torch.zeros(11, 8)}, r"'wpe\.weight' has shape \(11, 8\), where positions\.weight needs \(12, 8\)"),
        ({"h.0.attn.c_attn.weight": torch.zeros(8, 23)}, r"'h\.0\.attn\.c_attn\.weight' has shape \(23, 8\), where .* needs \(24, 8\)"),
        ({"h.0.ln_1.weight": torch.zeros(8, 1)}, r"'h\.0\.ln_1\.weight' has shape \(8, 1\)"),
        ({"h.0.ln_1.weight": torch.zeros(8, dtype=torch.long)}, r"'h\.0\.ln_1\.weight' holds torch\.int64"),
        ({"h.2.ln_1.weight": torch.zeros(8)}, r"holds the tensor 'h\.2\.ln_1\.weight', for which a Decoder with this config\.json has no place"),
        ({"lm_head.weight": torch.zeros(V, 8)}, r"holds the tensor 'lm_head\.weight', for which"),  # tied, but another matrix
        ({"transformer.wte.weight": torch.zeros(V, 8)}, r"holds both 'wte\.weight' and 'transformer\.wte\.weight'|holds both"),
    ],
)
def test_a_tensor_too_many_too_few_or_of_another_shape(gpt2, change, message):
    write, tensors, _ = gpt2
    folder = write({name: x for name, x in (tensors | change).items() if x is not None})
    with pytest.raises(InputError, match=message):
        load(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "mamba"}, "a model of type 'mamba'; the course reads bert, gpt2, llama, t5"),
        ({"model_type": ["gpt2"]}, "the course reads bert"),
        ({"n_embd": None}, "does not say 'n_embd'"),
        ({"n_embd": "8"}, "D must be an integer, got '8'"),
        ({"n_head": 3}, "D must be divisible by H"),
        ({"n_layer": 10**12}, "claims 1000000000000 layers, and the file has only 28 tensors"),
        ({"n_positions": 10**12}, r"'wpe\.weight' has shape \(12, 8\)"),
        ({"vocab_size": 10**15}, r"'wte\.weight' has shape \(40, 8\)"),
        ({"layer_norm_epsilon": "small"}, "config.json holds a value of the wrong kind"),
        ({"activation_function": "swish"}, "the activation 'swish' is not one of gelu"),
        ({"scale_attn_by_inverse_layer_idx": True}, "config.json sets scale_attn_by_inverse_layer_idx to True"),
        ({"activation_function": ["gelu"]}, "config.json holds a value of the wrong kind"),
    ],
)
def test_a_config_that_cannot_be(gpt2, change, message):
    write, _, facts = gpt2
    facts = {k: v for k, v in (facts | change).items() if v is not None}
    with pytest.raises(InputError, match=message):
        load(write(facts=facts))


def test_a_llama_that_claims_a_context_no_memory_holds(gpt2):
    write, tensors, _ = gpt2
    facts = {"model_type": "llama", "vocab_size": V, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 8}
    with pytest.raises(InputError, match="claims a context of 1000000000 tokens with heads of width 4, too much"):
        load(write(facts=facts | {"max_position_embeddings": 10**9}))
    with pytest.raises(InputError, match=r"lacks the tensor 'embed_tokens\.weight' of shape \(40, 8\)"):
        load(write(facts=facts | {"max_position_embeddings": 10}))


@given(st.data())
def test_a_damaged_file_gets_one_sentence(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "config.json").write_text(json.dumps({"model_type": "gpt2", "vocab_size": V, "n_embd": 8, "n_layer": 1, "n_head": 2, "n_positions": 12}))
    whole = safetensors.torch.save({"wte.weight": torch.zeros(V, 8), "wpe.weight": torch.zeros(12, 8)})
    kind = data.draw(st.sampled_from(["cut", "noise", "header", "empty", "huge header", "overlap"]))
    header = {"wte.weight": {"dtype": "F32", "shape": [V, 8], "data_offsets": [0, 1280]}, "wpe.weight": {"dtype": "F32", "shape": [12, 8], "data_offsets": [8, 392]}}
    overlap = json.dumps(header).encode()
    bad = {
        "cut": whole[: data.draw(st.integers(1, len(whole) - 1))],
        "noise": data.draw(st.binary(max_size=300)),
        "header": whole[:8] + data.draw(st.binary(min_size=8, max_size=8)) + whole[16:],
        "empty": b"",
        "huge header": (2**62).to_bytes(8, "little") + whole[8:],
        "overlap": len(overlap).to_bytes(8, "little") + overlap + bytes(1664),
    }[kind]
    (folder / "model.safetensors").write_bytes(bad)
    with pytest.raises(InputError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_folders_that_are_none(gpt2, tmp_path):
    write, *_ = gpt2
    with pytest.raises(InputError, match="there is no folder 'nowhere'; load takes 'minilm', 'smollm2' or a Hugging Face folder"):
        load("nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"the folder 'empty' has no config\.json"):
        load(empty)
    folder = write()
    (folder / "model.safetensors").rename(empty / "elsewhere")
    with pytest.raises(InputError, match=r"has no model\.safetensors"):
        load(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04")
    with pytest.raises(InputError, match=r"pytorch_model\.bin is a pickle, which can run code"):
        load(folder)
    index = folder / "model.safetensors.index.json"
    for wrong in ({}, {"weight_map": {"wte.weight": "../empty/elsewhere"}}, {"weight_map": {"wte.weight": 3}}, {"weight_map": []}):
        index.write_text(json.dumps(wrong))
        with pytest.raises(InputError, match="must map tensors to files of the same folder"):
            load(folder)
    (empty / "elsewhere").rename(folder / "shard.safetensors")
    index.write_text(json.dumps({"weight_map": {"wte.weight": "shard.safetensors", "more": "shard.safetensors"}}))
    with pytest.raises(InputError, match="and its files disagree about the tensor"):
        load(folder)
    for wrong in ("{", "[]", "\x00"):
        (folder / "config.json").write_text(wrong)
        with pytest.raises(InputError, match=r"config\.json"):
            load(folder)
    with pytest.raises(InputError, match="dtype must be one of"):
        load(folder, dtype=torch.int8)


def test_tokenizers_of_folders(gpt2):
    tokenizers = pytest.importorskip("tokenizers")
    write, *_ = gpt2
    folder = write()
    for highest, fits in ((V - 1, True), (V, False)):
        tokenizers.Tokenizer(tokenizers.models.WordLevel({"a": 0, "b": highest}, unk_token="a")).save(str(folder / "tokenizer.json"))
        if fits:
            assert load(folder)[1].encode("b").ids == [highest]
        else:
            with pytest.raises(InputError, match="the tokenizer has ids up to 40, and the model's vocabulary is V = 40"):
                load(folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match=r"tokenizer\.json cannot be read"):
        load(folder)


def test_a_missing_library_gets_one_sentence(gpt2, monkeypatch):
    write, *_ = gpt2
    folder = write()
    (folder / "tokenizer.json").write_text("{}")
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(InputError, match=r"tokenizer\.json needs the package 'tokenizers'; run `pip install tokenizers`"):
        load(folder)


def test_the_chat_format():
    start = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    question = "<|im_start|>user\nHi<|im_end|>\n"
    assert chat_prompt("Hi") == start + question + "<|im_start|>assistant\n"
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    assert chat_prompt(turns) == start + question + "<|im_start|>assistant\nYes?<|im_end|>\n<|im_start|>assistant\n"
    assert chat_prompt([{"role": "system", "content": "Be brief."}]) == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>assistant\n"
    for wrong in ([], [{"role": "user"}], [{"role": "robot", "content": ""}], ["Hi"]):
        with pytest.raises(InputError, match="message"):
            chat_prompt(wrong)


# -- GGUF's order of the rows -----------------------------------------------------------------------------------


def test_rows_of_gguf_are_put_back_in_order(transformers, tmp_path):
    from course_lib.pretrained.layouts import LLAMA_GGUF

    save(transformers, "llama", tmp_path)
    ours = load(tmp_path)[0]
    q = safetensors.torch.load_file(tmp_path / "model.safetensors")["model.layers.0.self_attn.q_proj.weight"]
    stored = q.reshape(4, 2, 2, 16).swapaxes(1, 2).reshape(16, 16)  # as the converter of llama.cpp writes them
    again = LLAMA_GGUF.change("blocks.*.attention.query_key_value", 0, stored, ours.config, {})
    assert torch.equal(again, q)
    assert not torch.equal(stored, q)
    assert torch.equal(ours.blocks[0].attention.query_key_value.weight[:16], again)


# -- the real ones ----------------------------------------------------------------------------------------------

needs_minilm = pytest.mark.skipif(not data.available("minilm"), reason="the data set 'minilm' is not fetched")
needs_smollm2 = pytest.mark.skipif(not data.available("smollm2"), reason="the data set 'smollm2' is not fetched")

SENTENCES = [
    "", " ", ".", "The cat sat on the mat.", "Die Katze saß auf der Matte.", "猫坐在垫子上。", "私は猫が好きです", "Кошка сидела на коврике",
    "👍🏽 great 🎉🎉", "e = mc²", "naïve café", "\t\n\x00", "[MASK] and [CLS]", "A" * 300, "word " * 1000, "supercalifragilisticexpialidocious " * 40,
    *(f"Sentence number {n} is about {topic}." for n, topic in enumerate(["music", "the sea", "a bank in the city", "the bank of a river"] * 21)),
]  # fmt: skip


@pytest.fixture(scope="session")
def minilm():
    pytest.importorskip("tokenizers")
    return load("minilm")


@needs_minilm
def test_minilm_tells_like_from_unlike(minilm):
    model, tokenizer = minilm
    vectors = embed(model, tokenizer, SENTENCES[:6])
    assert vectors.shape == (6, 384)
    assert gap(vectors.norm(dim=-1), torch.ones(6)) < 1e-5
    a, b, c = embed(model, tokenizer, ["A cat sits on a mat.", "A kitten rests on a rug.", "Shares fell in Tokyo."])
    assert a @ b > a @ c + 0.3
    assert gap(embed(model, tokenizer, SENTENCES[:20], B=7), embed(model, tokenizer, SENTENCES[:20], B=1)) < 1e-5
    assert embed(model, tokenizer, []).shape == (0, 384)
    assert len(tokenizer.encode("word " * 1000).ids) == 256
    with pytest.raises(InputError, match="sentences must be a list of strings"):
        embed(model, tokenizer, "one string")


@needs_minilm
def test_minilm_equals_transformers(minilm, transformers):
    model, tokenizer = minilm
    theirs = transformers.BertModel.from_pretrained(data.open_file("minilm")).eval()
    assert len(SENTENCES) == 100
    worst = 0.0
    with torch.no_grad():
        for own, sentence in zip(embed(model, tokenizer, SENTENCES), SENTENCES):
            x = torch.tensor([tokenizer.encode(sentence).ids])
            wanted = theirs(x).last_hidden_state.mean(1)[0]
            worst = max(worst, gap(own, wanted / wanted.norm()))
    assert worst <= 1e-4


@pytest.fixture(scope="session")
def smollm2():
    pytest.importorskip("gguf")
    pytest.importorskip("tokenizers")
    return load("smollm2")


@pytest.mark.slow
@needs_smollm2
def test_smollm2_talks_and_its_tokenizer_loses_nothing(smollm2):
    model, tokenizer = smollm2
    assert sum(p.numel() for p in model.parameters()) == 134_515_008
    for sentence in SENTENCES[1:]:
        assert tokenizer.decode(tokenizer.encode(sentence, add_special_tokens=False).ids, skip_special_tokens=False) == sentence
    assert tokenizer.encode("12 345").tokens == ["1", "2", "Ġ", "3", "4", "5"]
    prompt = tokenizer.encode(chat_prompt("What is the capital of France?")).ids
    assert prompt[0] == tokenizer.token_to_id("<|im_start|>") == 1
    answer = model.generate(torch.tensor([prompt]), 30, stop_tokens=[tokenizer.token_to_id("<|im_end|>")])[0, len(prompt) :]
    assert "Paris" in tokenizer.decode(answer.tolist())


QUESTIONS = (
    "Why is the sky blue?", "Write a haiku about the sea.", "Was ist 12 + 30?", "def fibonacci(n):", "Name three rivers in Europe.",
    "What does a transformer do?", "Tell me a story about a cat.", "How do I boil an egg?", "Translate 'good morning' into French.", "Who was Ada Lovelace?",
)  # fmt: skip


@pytest.mark.slow
@needs_smollm2
def test_smollm2_equals_transformers_on_the_same_weights(smollm2, transformers):
    ours, tokenizer = smollm2
    theirs = published_smollm2(ours.config)
    for question in QUESTIONS:
        x = torch.tensor([tokenizer.encode(chat_prompt(question)).ids])
        with torch.no_grad():
            assert gap(ours(x), theirs(x).logits) <= 1e-3
        wanted = theirs.generate(x, attention_mask=torch.ones_like(x), max_new_tokens=64, do_sample=False, pad_token_id=2, eos_token_id=2)
        assert ours.generate(x, 64, stop_tokens=[2])[0].tolist() == wanted[0].tolist()


@pytest.mark.slow
@needs_smollm2
def test_smollm2_in_half_the_memory_loses_little(smollm2):
    model, tokenizer = smollm2
    half, _ = load("smollm2", dtype=torch.bfloat16)
    passage = "The Transformer is a deep learning architecture based on attention. It was proposed in 2017 and is now used to translate, to write and to fold proteins."
    x = torch.tensor([tokenizer.encode(passage).ids])

    def loss(model):
        with torch.no_grad():
            return torch.nn.functional.cross_entropy(model(x)[0, :-1].float(), x[0, 1:]).item()

    assert loss(half) == pytest.approx(loss(model), rel=0.01)


def test_decoders_of_one_config_share_their_names():
    """What load fills is what state_dict holds: a new part of the model must get a place in the tables."""
    from course_lib.pretrained.layouts import BERT, GPT2, LLAMA, LLAMA_GGUF

    for layout in (GPT2, LLAMA, LLAMA_GGUF):
        positions = "learned" if layout is GPT2 else "rotary"
        model = Decoder(TransformerConfig(V, 8, 1, 2, positions=positions, tied_head=False, bias=layout is GPT2))
        parts = {name.rpartition(".")[0].replace("blocks.0", "blocks.*") for name in model.state_dict()}
        assert parts == set(layout.names)
    assert "token_types" in BERT.names
