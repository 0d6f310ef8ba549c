"""Around the models: tokenizers, sentence vectors, the chat format, and SmolLM2's GGUF file."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import InputError, require
from course_lib.models import Encoder
from course_lib.pretrained.layouts import LLAMA_GGUF, Layout

__all__ = ["embed", "chat_prompt", "read_gguf", "read_tokenizer"]


def _library(name: str, what: str):
    try:
        return importlib.import_module(name)
    except ImportError:
        raise InputError(f"{what} needs the package {name!r}; run `pip install {name}`") from None


def read_tokenizer(folder: Path, V: int):
    """The folder's tokenizer.json, or None. Raises InputError if it is damaged or knows ids the model does not."""
    path = folder / "tokenizer.json"
    if not path.exists():
        return None
    library = _library("tokenizers", "tokenizer.json")
    try:
        tokenizer = library.Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises no narrower class
        raise InputError(f"tokenizer.json cannot be read ({error})") from None
    highest = max(tokenizer.get_vocab().values(), default=-1)
    require(highest < V, f"the tokenizer has ids up to {highest}, and the model's vocabulary is V = {V}")
    return tokenizer


def embed(model: Encoder, tokenizer, sentences: Sequence[str], B: int = 32) -> Tensor:
    """Sentences → unit vectors (N, D): the mean of the last hidden states over the real tokens, divided by its length.

    So the product of two is their cosine. B sentences at a time, of like length. Reimers & Gurevych 2019.
    """
    good = not isinstance(sentences, str) and all(isinstance(s, str) for s in sentences)
    require(good, "sentences must be a list of strings")
    require(B >= 1, f"B must be ≥ 1, got {B}")
    ids = [encoding.ids for encoding in tokenizer.encode_batch(list(sentences))]
    weight = model.embedding.weight
    vectors = weight.new_empty(len(ids), model.config.D)
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    with torch.no_grad():
        for some in (order[i : i + B] for i in range(0, len(order), B)):
            rows = [torch.tensor(ids[i]) for i in some]
            x = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True).to(weight.device)  # (B, T)
            lengths = torch.tensor([len(row) for row in rows], device=weight.device)
            mask = torch.arange(x.shape[1], device=weight.device) < lengths[:, None]  # (B, T)
            hidden = model(x, mask) * mask[..., None]  # (B, T, D)
            vectors[some] = torch.nn.functional.normalize(hidden.sum(1) / lengths[:, None], dim=-1)  # (B, D)
    return vectors


SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"


def chat_prompt(messages: str | Sequence[dict], system: str = SYSTEM) -> str:
    """A conversation in the format SmolLM2 was tuned on, up to the point where the assistant answers.

    messages: one question, or [{"role": "user" | "assistant" | "system", "content": …}, …]. Stop generating
    at `tokenizer.token_to_id("<|im_end|>")`.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    require(len(messages) > 0, "messages must hold at least one message")
    for message in messages:
        good = isinstance(message, dict) and message.get("role") in ("system", "user", "assistant") and isinstance(message.get("content"), str)
        require(good, f"a message must have a role (system, user or assistant) and a content, got {message!r}")
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": system}, *messages]
    return "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages) + "<|im_start|>assistant\n"


class _Tensors(dict):
    """Name → tensor of a GGUF file, dequantised when it is asked for."""

    def __getitem__(self, name: str) -> Tensor:
        from gguf import dequantize

        tensor = super().__getitem__(name)
        return torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())


def read_gguf(path: Path) -> tuple[Layout, dict, _Tensors, object]:
    """A Llama in a GGUF file: its layout, its settings by Hugging Face's names, its tensors, its byte-level BPE."""
    gguf = _library("gguf", path.name)

    class Reader(gguf.GGUFReader):
        def _get(self, *args, **kwargs):
            self.data = np.asarray(self.data)  # a plain array: slices of a memmap, by the 100,000, take three times as long
            return super()._get(*args, **kwargs)

    reader = Reader(path)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    require(fields["general.architecture"] == "llama", f"{path.name} holds a {fields['general.architecture']}, not a llama")
    tensors = _Tensors({tensor.name: tensor for tensor in reader.tensors})
    facts = {
        "vocab_size": fields["llama.vocab_size"],
        "hidden_size": fields["llama.embedding_length"],
        "num_hidden_layers": fields["llama.block_count"],
        "num_attention_heads": fields["llama.attention.head_count"],
        "num_key_value_heads": fields["llama.attention.head_count_kv"],
        "intermediate_size": fields["llama.feed_forward_length"],
        "max_position_embeddings": fields["llama.context_length"],
        "rms_norm_eps": fields["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": fields["llama.rope.freq_base"],
        "tie_word_embeddings": "output.weight" not in tensors,
    }
    return LLAMA_GGUF, facts, tensors, _bpe(fields)


def _bpe(fields: dict):
    """GPT-2's byte-level BPE with every digit a token of its own, from the lists in the GGUF file."""
    tokenizers = _library("tokenizers", "SmolLM2")
    words, kinds = fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.token_type"]
    merges = [tuple(pair.split(" ")) for pair in fields["tokenizer.ggml.merges"]]
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE({word: i for i, word in enumerate(words)}, merges))
    split = tokenizers.pre_tokenizers
    tokenizer.pre_tokenizer = split.Sequence([split.Digits(individual_digits=True), split.ByteLevel(add_prefix_space=False)])
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    control = 3  # GGUF's type of a token that is no text
    tokenizer.add_special_tokens([word for word, kind in zip(words, kinds) if kind == control])
    return tokenizer
