"""The Transformer: blocks of attention and a small network, stacked to an encoder, a decoder, or both.

    Encoder          every token sees all others (BERT): ids → hidden states
    Decoder          every token sees those before it (GPT, Llama): ids → logits of the next token
    EncoderDecoder   a decoder that also looks at an encoder's hidden states (T5, and Vaswani et al. 2017)

All are the same `Block`, told by a `TransformerConfig` which of the field's switches to throw.
Shapes: batch B, length T, source length S, width D, heads H, layers N, vocabulary V.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import InputError, require, require_choice, require_int
from course_lib.models.attention import KVCache, MultiHeadAttention, causal_mask
from course_lib.models.config import ACTIVATIONS, NORM_KINDS, NORMS, Gated, TransformerConfig
from course_lib.models.generation import Writer
from course_lib.models.positions import RelativeBias, Rotary, sinusoids

__all__ = ["Block", "Encoder", "Decoder", "EncoderDecoder", "Weights"]

def _norm(kind: str, D: int, eps: float, bias: bool, where: dict) -> nn.Module:
    return nn.LayerNorm(D, eps, bias=bias, **where) if kind == "layer" else nn.RMSNorm(D, eps, **where)


class Block(nn.Module):
    """Attention, then a feed-forward network of width D_ff (default 4·D), each around a residual.

    norm="post": x ← norm(x + f(x)), as in 2017 and BERT. norm="pre": x ← x + f(norm(x)), as in GPT-2;
    gradients then reach every layer through the sum alone (Xiong et al. 2020). cross=True puts attention
    to a memory in between. The other switches are those of TransformerConfig. x (B, T, D) → (B, T, D).
    """

    def __init__(
        self, D: int, H: int, D_ff: int | None = None, norm: str = "pre", device=None, dtype=None, *, d: int | None = None,
        H_kv: int | None = None, norm_kind: str = "layer", eps: float = 1e-5, activation: str = "gelu", bias: bool = True,
        dropout: float = 0.0, cross: bool = False,
    ):  # fmt: skip
        super().__init__()
        self.norm = require_choice("norm", norm, NORMS)
        require_choice("activation", activation, ACTIVATIONS)
        require_choice("norm_kind", norm_kind, NORM_KINDS)
        D_ff = 4 * D if D_ff is None else require_int("D_ff", D_ff)
        where = {"device": device, "dtype": dtype}
        change = ACTIVATIONS[activation]()
        wide = 2 * D_ff if isinstance(change, Gated) else D_ff  # gate and value come from one product
        self.attention = MultiHeadAttention(D, H, bias, **where, H_kv=H_kv, d=d)
        self.attention_norm = _norm(norm_kind, D, eps, bias, where)
        self.cross_attention = MultiHeadAttention(D, H, bias, **where, H_kv=H_kv, d=d) if cross else None
        self.cross_attention_norm = _norm(norm_kind, D, eps, bias, where) if cross else None
        self.feed_forward = nn.Sequential(nn.Linear(D, wide, bias, **where), change, nn.Linear(D_ff, D, bias, **where))
        self.feed_forward_norm = _norm(norm_kind, D, eps, bias, where)
        self.dropout = dropout

    def forward(
        self, x: Tensor, mask: Tensor | None = None, causal: bool = False, cache: KVCache | None = None, schedule: str = "sdpa",
        memory: Tensor | tuple | None = None, memory_mask: Tensor | None = None, rotary: tuple | None = None,
        bias: Tensor | None = None, head_mask: Tensor | None = None, record: list | None = None,
    ) -> Tensor:  # fmt: skip
        """x (B, T, D) → (B, T, D); all arguments as in MultiHeadAttention. `record` gets self-attention's weights, then cross's."""
        h = self.attention_norm(x) if self.norm == "pre" else x
        h = self.attention(h, None, mask, causal, cache, schedule, rotary, bias, head_mask, record)
        x = self._add(x, h, self.attention_norm)
        if memory is not None:
            h = self.cross_attention_norm(x) if self.norm == "pre" else x
            h = self.cross_attention(h, memory, memory_mask, schedule=schedule, record=record)
            x = self._add(x, h, self.cross_attention_norm)
        h = self.feed_forward_norm(x) if self.norm == "pre" else x
        return self._add(x, self.feed_forward(h), self.feed_forward_norm)

    def _add(self, x: Tensor, change: Tensor, norm: nn.Module) -> Tensor:
        if self.dropout and self.training:
            change = F.dropout(change, self.dropout)
        return x + change if self.norm == "pre" else norm(x + change)

    @classmethod
    def from_torch(cls, layer: nn.TransformerEncoderLayer) -> Block:
        """The same block with the weights of a torch.nn.TransformerEncoderLayer (activation "gelu") copied in."""
        gelu = layer.activation is nn.functional.gelu or isinstance(layer.activation, nn.GELU)
        require(gelu, "Block.from_torch takes a layer with activation='gelu'")
        weight, norm = layer.linear1.weight, "pre" if layer.norm_first else "post"
        block = cls(layer.self_attn.embed_dim, layer.self_attn.num_heads, len(weight), norm, weight.device, weight.dtype)
        block.attention = MultiHeadAttention.from_torch(layer.self_attn)
        block.feed_forward[0].load_state_dict(layer.linear1.state_dict())
        block.feed_forward[2].load_state_dict(layer.linear2.state_dict())
        for own, theirs in ((block.attention_norm, layer.norm1), (block.feed_forward_norm, layer.norm2)):
            own.load_state_dict(theirs.state_dict())
            own.eps = theirs.eps
        return block


class Stack(nn.Module):
    """What encoder and decoder share: embeddings, N blocks, a last norm (when the norms come first)."""

    causal = False

    def __init__(self, config: TransformerConfig, cross: bool = False):
        super().__init__()
        c = self.config = config
        self.embedding = None if c.V is None else nn.Embedding(c.V, c.D)
        self.positions = None
        if c.positions == "learned":
            self.positions = nn.Embedding(c.T_max, c.D)
        elif c.positions == "rotary":
            self.positions = Rotary(c.T_max, c.head_width, c.rotary_base)
        elif c.positions == "relative":
            self.positions = RelativeBias(c.H, c.buckets, c.reach, both_ways=not self.causal)
        elif c.positions == "sinusoidal":
            self.register_buffer("sinusoids", sinusoids(c.T_max, c.D), persistent=False)
        self.token_types = nn.Embedding(c.token_types, c.D) if c.token_types else None
        self.embedding_norm = _norm(c.norm_kind, c.D, c.eps, c.bias, {}) if c.embedding_norm else None
        switches = dict(d=c.d, H_kv=c.H_kv, norm_kind=c.norm_kind, eps=c.eps, activation=c.activation, bias=c.bias, dropout=c.dropout)
        self.blocks = nn.ModuleList(Block(c.D, c.H, c.D_ff, c.norm, **switches, cross=cross) for _ in range(c.N))
        self.last_norm = _norm(c.norm_kind, c.D, c.eps, c.bias, {}) if c.norm == "pre" else None
        self._initialise()

    def _initialise(self) -> None:
        c = self.config
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(p)
            elif p.ndim == 2:  # the norms' weights stay 1
                writes = name.endswith(("attention.out.weight", "feed_forward.2.weight"))
                nn.init.normal_(p, std=c.init_std * (0 if c.zero_init else 1 / math.sqrt(2 * c.N)) if writes else c.init_std)
        if c.positions == "sinusoidal" and c.V is not None:
            nn.init.normal_(self.embedding.weight, std=c.D**-0.5)  # and times √D when looked up: of the size of a sine

    # -- from ids to hidden states ----------------------------------------------------------------------------

    def embed(self, ids: Tensor, where: slice | Tensor, token_types: Tensor | None = None) -> Tensor:
        """The vectors that enter the first block: token + position + token type.  # (B, T, D)"""
        c = self.config
        x = ids
        if not ids.is_floating_point():
            require(self.embedding is not None, "this model reads numbers (B, T, D), not ids: its config has V=None")
            try:
                x = self.embedding(ids)  # (B, T, D)
            except IndexError:
                raise InputError(f"ids must lie in 0…{c.V - 1}, got {int(ids.min())}…{int(ids.max())}") from None
            if c.positions == "sinusoidal":
                x = x * math.sqrt(c.D)  # Vaswani et al. 2017, §3.4
        if c.positions == "learned":
            table = self.positions.weight
            x = x + (table[where] if isinstance(where, slice) else F.embedding(where, table))
        elif c.positions == "sinusoidal":
            x = x + self.sinusoids[where]
        if self.token_types is not None:
            x = x + (self.token_types.weight[0] if token_types is None else self.token_types(token_types))
        if self.embedding_norm is not None:
            x = self.embedding_norm(x)
        return F.dropout(x, c.dropout) if c.dropout and self.training else x

    def hidden(
        self, ids: Tensor, mask: Tensor | None = None, *, caches: list[KVCache] | None = None, token_types: Tensor | None = None,
        memory: Tensor | list | None = None, memory_mask: Tensor | None = None, head_mask: Tensor | None = None,
        schedule: str = "sdpa", record: list | None = None, states: list | None = None,
    ) -> Tensor:  # fmt: skip
        """ids (B, T) → hidden states (B, T, D) after the last norm.

        ids      integers (B, T); or numbers (B, T, D) that take the place of the token vectors
        mask     (B, S), True at real tokens, False at padding before or after them, which is then never
                 looked at and takes up no position; or any boolean mask of 4 axes, as attention takes it
        caches   one KVCache a layer: ids then follow the tokens stored there, and S counts those too
        memory   (B, S, D) for cross-attention (or each layer's keys and values), with its memory_mask (B, S)
        head_mask   (N, H), a factor for each head's answer; 0 takes the head out
        record, states   lists that are filled with each layer's attention weights; with the embeddings
                 and each block's output (N + 1 of them, before the last norm)
        """
        c = self.config
        good = ids.ndim == 2 if not ids.is_floating_point() else ids.ndim == 3 and ids.shape[-1] == c.D
        require(good, f"ids must be integers of shape (B, T), or numbers of shape (B, T, {c.D}), got {ids.dtype} of shape {tuple(ids.shape)}")
        start = caches[0].length if caches else 0
        T, S = ids.shape[1], start + ids.shape[1]
        require(T >= 1, f"T must be ≥ 1, got ids of shape {tuple(ids.shape)}")
        require(c.T_max >= S or c.positions in ("relative", "none"), f"the sequence of {S} tokens is longer than the context, T_max = {c.T_max}")
        where, causal = slice(start, S), self.causal
        if mask is not None:
            if mask.ndim == 2:
                require(mask.shape == (len(ids), S), f"mask must have shape ({len(ids)}, {S}), got {tuple(mask.shape)}")
                mask = mask.bool()
                where = (mask.cumsum(1) - 1).clamp_min(0)[:, start:]  # (B, T): padding takes up no position
                mask = mask[:, None, None]  # (B, 1, 1, S)
            if causal:
                mask, causal = mask & causal_mask(T, S, ids.device), False  # once for all layers
        if memory_mask is not None and memory_mask.ndim == 2:
            memory_mask = memory_mask.bool()[:, None, None]  # (B, 1, 1, S)
        x = self.embed(ids, where, token_types)  # (B, T, D)
        rotary = self.positions(where) if c.positions == "rotary" else None
        bias = self.positions(T, S) if c.positions == "relative" else None
        for n, block in enumerate(self.blocks):
            if states is not None:
                states.append(x)
            x = block(
                x, mask, causal, caches[n] if caches else None, schedule, memory[n] if isinstance(memory, list) else memory,
                memory_mask, rotary, bias, None if head_mask is None else head_mask[n], record,
            )  # fmt: skip  # (B, T, D)
        if states is not None:
            states.append(x)
        return x if self.last_norm is None else self.last_norm(x)

    def hidden_states(self, ids: Tensor, mask: Tensor | None = None, **options) -> list[Tensor]:
        """The embeddings and each block's output, before the last norm: N + 1 tensors (B, T, D)."""
        states: list[Tensor] = []
        self.hidden(ids, mask, states=states, **options)
        return states

    def attention_weights(self, ids: Tensor, mask: Tensor | None = None, **options) -> list[Tensor]:
        """Who looks at whom, by layer: N tensors (B, H, T, T), each row summing to 1."""
        record: list[Tensor] = []
        self.hidden(ids, mask, record=record, **options)
        return record


class Encoder(Stack):
    """Every token sees all others: Encoder(config)(ids (B, T), mask (B, T)) → hidden states (B, T, D)."""

    def forward(self, ids: Tensor, mask: Tensor | None = None, **options) -> Tensor:
        """ids (B, T), mask (B, T) True at real tokens → (B, T, D). Options as in `hidden`."""
        return self.hidden(ids, mask, **options)


class Decoder(Stack, Writer):
    """Every token sees itself and those before it: Decoder(config)(ids (B, T)) → logits (B, T, V).

    logits[:, t] are about token t+1. `generate` and `stream` write on from a prompt.
    """

    causal = True

    def __init__(self, config: TransformerConfig, cross: bool = False):
        super().__init__(config, cross)
        self.head = None
        if config.V is not None and not config.tied_head:
            self.head = nn.Linear(config.D, config.V, bias=False)
            nn.init.normal_(self.head.weight, std=config.init_std)

    def forward(self, ids: Tensor, mask: Tensor | None = None, **options) -> Tensor:
        """ids (B, T) → logits (B, T, V), or hidden states (B, T, D) when V is None. Options as in `hidden`."""
        return self.logits(self.hidden(ids, mask, **options))

    def logits(self, hidden: Tensor) -> Tensor:
        """(…, D) → (…, V): how well each vector of the vocabulary fits."""
        if self.config.V is None:
            return hidden
        return F.linear(hidden, self.embedding.weight) if self.head is None else self.head(hidden)


class Weights(NamedTuple):
    """Attention weights by layer, (B, H, ·, ·) each: the encoder's, the decoder's own, and from decoder to encoder."""

    encoder: list[Tensor]
    decoder: list[Tensor]
    cross: list[Tensor]


class EncoderDecoder(nn.Module, Writer):
    """A decoder that looks at an encoder's hidden states. Vaswani et al. 2017, figure 1.

    model(source_ids (B, S), target_ids (B, T)) → logits (B, T, V). With one config both sides share one
    vocabulary and its vectors (as in 2017 and T5); a second one gives the target its own.
    """

    def __init__(self, config: TransformerConfig, target: TransformerConfig | None = None):
        super().__init__()
        require(target is None or target.D == config.D, "source and target must have the same width D")
        self.config = config if target is None else target
        self.encoder, self.decoder = Encoder(config), Decoder(self.config, cross=True)
        if target is None:
            self.decoder.embedding = self.encoder.embedding

    def forward(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None, target_mask: Tensor | None = None) -> Tensor:
        """source_ids (B, S), target_ids (B, T), masks True at real tokens → logits (B, T, V)."""
        memory = self.encoder(source_ids, source_mask)  # (B, S, D)
        return self.decoder(target_ids, target_mask, memory=memory, memory_mask=source_mask)

    def attention_weights(self, source_ids: Tensor, target_ids: Tensor, source_mask: Tensor | None = None) -> Weights:
        """Who looks at whom: `.cross[n]` (B, H, T, S) is the alignment of target to source in layer n."""
        record: list[Tensor] = []
        memory = self.encoder.hidden(source_ids, source_mask, record=record)
        own: list[Tensor] = []
        self.decoder.hidden(target_ids, memory=memory, memory_mask=source_mask, record=own)
        return Weights(record, own[0::2], own[1::2])
