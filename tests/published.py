"""Published models with known weights, to compare the course's own with: a GPT-2, and SmolLM2 as its GGUF file has it."""

from __future__ import annotations

import logging
import tempfile

import numpy as np
import torch

from course_lib import data
from course_lib.pretrained import load, text

GGUF_NAMES = {
    "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm", "attn_output": "self_attn.o_proj", "attn_v": "self_attn.v_proj",
    "attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj",
}  # fmt: skip


def _transformers():
    import transformers  # a dependency of the tests alone

    logging.getLogger("transformers").setLevel(logging.ERROR)
    return transformers


def published_gpt2(T_max: int, **changes):
    """A GPT-2 of transformers (4 layers, D = 128, H = 4, V = 512, no dropout), and the course's decoder with its weights."""
    transformers = _transformers()
    off = dict(resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=None, eos_token_id=None)
    peer = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=512, n_positions=T_max, n_embd=128, n_layer=4, n_head=4, **off, **changes))
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        own, _ = load(folder)
    return own, peer


def published_smollm2(config):
    """SmolLM2 as transformers runs it, on the dequantised weights of the fetched file. config: of the course's decoder."""
    transformers, c = _transformers(), config
    peer = transformers.LlamaForCausalLM(transformers.LlamaConfig(
        vocab_size=c.V, hidden_size=c.D, intermediate_size=c.D_ff, num_hidden_layers=c.N, num_attention_heads=c.H, num_key_value_heads=c.H_kv,
        max_position_embeddings=c.T_max, rope_theta=c.rotary_base, rms_norm_eps=c.eps, tie_word_embeddings=True,
    )).eval()  # fmt: skip
    _, _, tensors, _ = text.read_gguf(data.open_file("smollm2"))
    state = {"model.embed_tokens.weight": tensors["token_embd.weight"], "model.norm.weight": tensors["output_norm.weight"]}
    for n in range(c.N):
        for stored, name in GGUF_NAMES.items():
            x = tensors[f"blk.{n}.{stored}.weight"]
            if stored in ("attn_q", "attn_k"):  # an own way back, as the reverse of llama.cpp's converter
                x = torch.from_numpy(np.ascontiguousarray(x.numpy().reshape(-1, 32, 2, c.D).swapaxes(1, 2).reshape(-1, c.D)))
            state[f"model.layers.{n}.{name}.weight"] = x
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    peer.load_state_dict(state)
    return peer
