"""How others name what the course has: one table a family of models, and its config.json read as ours.

A table says for each part of our models from which parts of theirs it is made. `*` is the number of the
layer; several names are stacked by rows (queries, keys and values lie in one matrix here).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from course_lib.checks import InputError, require
from course_lib.models import Decoder, Encoder, EncoderDecoder, TransformerConfig

__all__ = ["LAYOUTS", "LLAMA_GGUF", "Facts", "Layout"]


class Facts(dict):
    """A config.json; what it does not say is told in one sentence."""

    def __missing__(self, key: str):
        raise InputError(f"config.json does not say {key!r}")


@dataclass(frozen=True)
class Layout:
    """One family. `change(ours, i, tensor, config, facts)` turns the i-th tensor that makes up `ours` into our convention."""

    build: type
    read: Callable[[Facts, set], TransformerConfig]  # from config.json and the tensors' names
    names: dict[str, tuple[str, ...]]
    prefix: str = ""  # some files put it before every name
    copies: dict[str, str] = field(default_factory=dict)  # theirs → ours, when a file holds the same matrix twice
    unused: str = r"(?!)"  # a pattern: what the file may hold and the model does not need
    change: Callable[[str, int, Tensor, TransformerConfig, dict], Tensor] = lambda ours, i, tensor, config, facts: tensor


ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}


def _refuse(facts: dict, **usual) -> None:
    """Stop at a switch that our classes do not have."""
    for key, value in usual.items():
        require(facts.get(key, value) in (value, None), f"config.json sets {key} to {facts.get(key)!r}; the course's models know only {value!r}")


def _activation(name: str, known: dict = ACTIVATIONS) -> str:
    require(name in known, f"the activation {name!r} is not one of {', '.join(known)}")
    return known[name]


# -- BERT -----------------------------------------------------------------------------------------------------


def _bert(facts, tensors):
    _refuse(facts, position_embedding_type="absolute", is_decoder=False, add_cross_attention=False)
    return TransformerConfig(
        V=facts["vocab_size"], D=facts["hidden_size"], N=facts["num_hidden_layers"], H=facts["num_attention_heads"],
        T_max=facts["max_position_embeddings"], D_ff=facts["intermediate_size"], norm="post", embedding_norm=True,
        eps=facts.get("layer_norm_eps", 1e-12), activation=_activation(facts.get("hidden_act", "gelu")),
        token_types=facts.get("type_vocab_size", 2), dropout=facts.get("hidden_dropout_prob", 0.1),
    )  # fmt: skip


_LAYER = "encoder.layer.*."
BERT = Layout(
    Encoder,
    _bert,
    {
        "embedding": ("embeddings.word_embeddings",),
        "positions": ("embeddings.position_embeddings",),
        "token_types": ("embeddings.token_type_embeddings",),
        "embedding_norm": ("embeddings.LayerNorm",),
        "blocks.*.attention.query_key_value": (_LAYER + "attention.self.query", _LAYER + "attention.self.key", _LAYER + "attention.self.value"),
        "blocks.*.attention.out": (_LAYER + "attention.output.dense",),
        "blocks.*.attention_norm": (_LAYER + "attention.output.LayerNorm",),
        "blocks.*.feed_forward.0": (_LAYER + "intermediate.dense",),
        "blocks.*.feed_forward.2": (_LAYER + "output.dense",),
        "blocks.*.feed_forward_norm": (_LAYER + "output.LayerNorm",),
    },
    prefix="bert.",
    unused=r"pooler\.|cls\.|embeddings\.position_ids$",  # heads of the training tasks; a row of counting numbers
)

# -- GPT-2 ----------------------------------------------------------------------------------------------------


def _gpt2(facts, tensors):
    _refuse(facts, scale_attn_weights=True, scale_attn_by_inverse_layer_idx=False, add_cross_attention=False)
    return TransformerConfig(
        V=facts["vocab_size"], D=facts["n_embd"], N=facts["n_layer"], H=facts["n_head"], T_max=facts["n_positions"],
        D_ff=facts.get("n_inner"), eps=facts.get("layer_norm_epsilon", 1e-5), dropout=facts.get("resid_pdrop", 0.1),
        activation=_activation(facts.get("activation_function", "gelu_new")), tied_head=facts.get("tie_word_embeddings", True),
    )  # fmt: skip


def _transpose(ours, i, tensor, config, facts):
    return tensor.t() if tensor.ndim == 2 and ours.startswith("blocks.") else tensor  # GPT-2 keeps (in, out)


GPT2 = Layout(
    Decoder,
    _gpt2,
    {
        "embedding": ("wte",),
        "positions": ("wpe",),
        "blocks.*.attention_norm": ("h.*.ln_1",),
        "blocks.*.attention.query_key_value": ("h.*.attn.c_attn",),
        "blocks.*.attention.out": ("h.*.attn.c_proj",),
        "blocks.*.feed_forward_norm": ("h.*.ln_2",),
        "blocks.*.feed_forward.0": ("h.*.mlp.c_fc",),
        "blocks.*.feed_forward.2": ("h.*.mlp.c_proj",),
        "last_norm": ("ln_f",),
        "head": ("lm_head",),
    },
    prefix="transformer.",
    copies={"lm_head.weight": "embedding.weight"},
    unused=r"h\.\d+\.attn\.(masked_)?bias$",  # the causal mask
    change=_transpose,
)

# -- Llama ----------------------------------------------------------------------------------------------------


def _llama(facts, tensors):
    _refuse(facts, hidden_act="silu", rope_scaling=None, attention_bias=False, mlp_bias=False)
    rotary = facts.get("rope_parameters") or {}
    require(isinstance(rotary, dict), f"config.json gives rope_parameters as {rotary!r}, not as a table")
    _refuse(rotary, rope_type="default")
    return TransformerConfig(
        V=facts["vocab_size"], D=facts["hidden_size"], N=facts["num_hidden_layers"], H=facts["num_attention_heads"],
        H_kv=facts.get("num_key_value_heads"), d=facts.get("head_dim"), D_ff=facts["intermediate_size"],
        T_max=facts["max_position_embeddings"], eps=facts.get("rms_norm_eps", 1e-6), norm_kind="rms", activation="swiglu",
        positions="rotary", rotary_base=facts.get("rope_theta") or rotary.get("rope_theta", 10_000.0), bias=False,
        tied_head=facts.get("tie_word_embeddings", False),
    )  # fmt: skip


LLAMA = Layout(
    Decoder,
    _llama,
    {
        "embedding": ("embed_tokens",),
        "blocks.*.attention_norm": ("layers.*.input_layernorm",),
        "blocks.*.attention.query_key_value": ("layers.*.self_attn.q_proj", "layers.*.self_attn.k_proj", "layers.*.self_attn.v_proj"),
        "blocks.*.attention.out": ("layers.*.self_attn.o_proj",),
        "blocks.*.feed_forward_norm": ("layers.*.post_attention_layernorm",),
        "blocks.*.feed_forward.0": ("layers.*.mlp.gate_proj", "layers.*.mlp.up_proj"),
        "blocks.*.feed_forward.2": ("layers.*.mlp.down_proj",),
        "last_norm": ("norm",),
        "head": ("lm_head",),
    },
    prefix="model.",
    copies={"lm_head.weight": "embedding.weight"},
    unused=r"(layers\.\d+\.self_attn\.)?rotary_emb\.inv_freq$",  # computed, not learned
)


def _pairs(ours, i, tensor, config, facts):
    """GGUF turns neighbouring rows 2i, 2i+1 of Q and K together; ours (and Hugging Face's) turn i and i + d/2."""
    if not ours.endswith("query_key_value") or i == 2:
        return tensor
    return tensor.unflatten(0, (-1, config.head_width // 2, 2)).transpose(1, 2).flatten(0, 2)


LLAMA_GGUF = Layout(
    Decoder,
    _llama,
    {
        "embedding": ("token_embd",),
        "blocks.*.attention_norm": ("blk.*.attn_norm",),
        "blocks.*.attention.query_key_value": ("blk.*.attn_q", "blk.*.attn_k", "blk.*.attn_v"),
        "blocks.*.attention.out": ("blk.*.attn_output",),
        "blocks.*.feed_forward_norm": ("blk.*.ffn_norm",),
        "blocks.*.feed_forward.0": ("blk.*.ffn_gate", "blk.*.ffn_up"),
        "blocks.*.feed_forward.2": ("blk.*.ffn_down",),
        "last_norm": ("output_norm",),
        "head": ("output",),
    },
    change=_pairs,
)

# -- T5 -------------------------------------------------------------------------------------------------------


def _t5(facts, tensors):
    kind = facts.get("feed_forward_proj", "relu")
    N = facts["num_layers"]
    _refuse(facts, num_decoder_layers=N)
    return TransformerConfig(
        V=facts["vocab_size"], D=facts["d_model"], N=N, H=facts["num_heads"], d=facts["d_kv"], D_ff=facts["d_ff"],
        eps=facts.get("layer_norm_epsilon", 1e-6), norm_kind="rms", bias=False, positions="relative",
        activation=_activation(kind, {"relu": "relu", "gated-gelu": "geglu"}), dropout=facts.get("dropout_rate", 0.1),
        buckets=facts.get("relative_attention_num_buckets", 32), reach=facts.get("relative_attention_max_distance", 128),
        tied_head="lm_head.weight" not in tensors,
    )  # fmt: skip


def _scales(ours, i, tensor, config, facts):
    """T5 divides no score by √d, and (v1.0) the last hidden state by √D: both go into the weights before."""
    if ours.endswith("query_key_value") and i == 0:
        return tensor * config.head_width**0.5
    scaled = facts.get("scale_decoder_outputs", facts.get("tie_word_embeddings", True))
    return tensor * config.D**-0.5 if ours == "decoder.last_norm" and scaled else tensor


def _t5_names(side: str, gated: bool) -> dict[str, tuple[str, ...]]:
    layer, ours, last = f"{side}.block.*.layer.", f"{side}.blocks.*.", "1" if side == "encoder" else "2"
    feed = layer + last + ".DenseReluDense."
    names = {
        f"{side}.embedding": ("shared",),
        f"{side}.positions": (f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias",),
        ours + "attention_norm": (layer + "0.layer_norm",),
        ours + "attention.query_key_value": tuple(layer + f"0.SelfAttention.{x}" for x in "qkv"),
        ours + "attention.out": (layer + "0.SelfAttention.o",),
        ours + "feed_forward_norm": (layer + last + ".layer_norm",),
        ours + "feed_forward.0": (feed + "wi_0", feed + "wi_1") if gated else (feed + "wi",),
        ours + "feed_forward.2": (feed + "wo",),
        f"{side}.last_norm": (f"{side}.final_layer_norm",),
    }
    if side == "decoder":
        names |= {
            ours + "cross_attention_norm": (layer + "1.layer_norm",),
            ours + "cross_attention.query_key_value": tuple(layer + f"1.EncDecAttention.{x}" for x in "qkv"),
            ours + "cross_attention.out": (layer + "1.EncDecAttention.o",),
            "decoder.head": ("lm_head",),
        }
    return names


def _t5_layout(gated: bool) -> Layout:
    return Layout(
        EncoderDecoder,
        _t5,
        _t5_names("encoder", gated) | _t5_names("decoder", gated),
        copies={f"{side}.embed_tokens.weight": "encoder.embedding.weight" for side in ("encoder", "decoder")},
        unused=r"decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.",  # in the first T5 files, never read
        change=_scales,
    )


def _by_feed_forward(facts: dict) -> Layout:
    return _t5_layout(gated=str(facts.get("feed_forward_proj", "relu")).startswith("gated"))


LAYOUTS: dict[str, Callable[[dict], Layout]] = {
    "bert": lambda facts: BERT,
    "gpt2": lambda facts: GPT2,
    "llama": lambda facts: LLAMA,
    "t5": _by_feed_forward,
}
