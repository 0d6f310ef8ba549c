"""Scaled dot-product attention: by hand, token by token, as matrices, and fused; masks, heads, a cache.

    attention(Q, K, V) = softmax(Q Kᵀ / √d) V          Vaswani et al. 2017, equation 1

Every query looks at every key it may see, and takes the mean of their values, weighted by how well
query and key agree. No query waits for another, so all of them can be answered at once.

Shapes: batch B, heads H, T queries, S keys, width D, head width d = D/H. A mask is boolean and True
where a query may look, broadcastable to (B, H, T, S).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require, require_choice, require_int, require_sequence
from course_lib.models.positions import rotate

__all__ = [
    "attention", "attention_by_hand", "attention_weights", "causal_mask", "padding_mask", "window_mask",
    "MultiHeadAttention", "KVCache",
]  # fmt: skip

SCHEDULES = ("loop", "naive", "sdpa")


# -- who may look at whom -----------------------------------------------------------------------------------


def causal_mask(T: int, S: int | None = None, device=None) -> Tensor:
    """True where key s is not later than query t, the last query standing at the last key.  # (T, S)

    With S > T the T queries are the newest of S positions, as when a cache holds the earlier ones.
    """
    T = require_int("T", T)
    S = T if S is None else require_int("S", S, least=T)
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def padding_mask(lengths: Tensor, S: int) -> Tensor:
    """True where a key is a real token: `lengths` (B,) of sequences padded at the end to S.  # (B, 1, 1, S)"""
    require(lengths.ndim == 1, f"lengths must have shape (B,), got {tuple(lengths.shape)}")
    require(bool((lengths >= 0).all() and (lengths <= S).all()), f"lengths must lie in 0…{S}, got {lengths.tolist()}")
    return (torch.arange(S, device=lengths.device) < lengths[:, None])[:, None, None, :]


def window_mask(T: int, window: int, causal: bool = False, device=None) -> Tensor:
    """True where |t − s| < window (restricted attention; with `causal` only towards the past).  # (T, T)"""
    T, window = require_int("T", T), require_int("window", window)
    near = torch.ones(T, T, dtype=torch.bool, device=device).triu(1 - window)
    return near.tril(0 if causal else window - 1)


# -- attention ----------------------------------------------------------------------------------------------


def attention_by_hand(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """The definition as three nested loops over numbers: query (T, d), key (S, d), value (S, d) → (T, d).

    Slow on purpose: it is what every faster form below is checked against.
    """
    T, d = query.shape
    S = key.shape[0]
    rows = []
    for t in range(T):
        weights = []
        for s in range(S):
            score = sum(query[t, j] * key[s, j] for j in range(d)) / math.sqrt(d)
            visible = mask is None or bool(mask[t, s])
            weights.append(torch.exp(score) if visible else torch.zeros_like(score))
        total = sum(weights)
        total = total if total > 0 else 1  # a query that may look at nothing gets zeros
        rows.append(sum(w / total * v for w, v in zip(weights, value)))  # (d,)
    return torch.stack(rows)  # (T, d)


def attention_weights(query: Tensor, key: Tensor, mask: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """softmax(Q Kᵀ / √d): query (…, T, d), key (…, S, d) → (…, T, S), each row summing to 1.

    A `bias` (…, T, S) is added to the scores. A row that may look at nothing is all zeros (as in SDPA), not
    a row of NaN.
    """
    scores = query @ key.transpose(-2, -1) / math.sqrt(query.shape[-1])  # (…, T, S)
    if bias is not None:
        scores = scores + bias
    if mask is None:
        return scores.softmax(-1)
    weights = scores.masked_fill(~mask, -math.inf).softmax(-1)
    return weights.masked_fill(~mask.any(-1, keepdim=True), 0.0)


def attention(
    query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None, causal: bool = False, schedule: str = "sdpa",
    bias: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """softmax(Q Kᵀ / √d) V: query (…, T, d), key and value (…, S, d) → (…, T, d).

    schedule: "loop" answers one query after the other, as a recurrent network must; "naive" answers all
    at once through the (T, S) matrix of weights; "sdpa" is torch's fused kernel, which never stores that
    matrix (FlashAttention, Dao et al. 2022). All three give the same numbers. `mask` is boolean, True
    where a query may look; `causal` hides later keys, and both together hide what either hides. `bias`
    (…, T, S) is added to the scores (relative positions).
    """
    require_choice("schedule", schedule, SCHEDULES)
    require(
        query.shape[-1] == key.shape[-1] and key.shape[-2] == value.shape[-2],
        f"query, key and value must have shapes (…, T, d), (…, S, d), (…, S, d), "
        f"got {tuple(query.shape)}, {tuple(key.shape)}, {tuple(value.shape)}",
    )
    T, S = query.shape[-2], key.shape[-2]
    if mask is not None:
        require(mask.dtype == torch.bool, f"mask must be boolean, True where a query may look, got {mask.dtype}")
        scores = (*query.shape[:-1], S)
        fits = mask.ndim <= len(scores) and all(n in (1, wanted) for n, wanted in zip(mask.shape[::-1], scores[::-1]))
        require(fits, f"mask must be broadcastable to the scores {scores}, got shape {tuple(mask.shape)}")
        mask = mask if mask.ndim > 1 else mask.expand(T, S)  # the fused kernel wants both axes
    require(not causal or S >= T, f"causal attention needs at least as many keys as queries, got S={S}, T={T}")
    if schedule == "loop":
        return _token_by_token(query, key, value, mask, causal, bias)
    if causal and schedule == "sdpa" and mask is None and bias is None and T == S:
        return F.scaled_dot_product_attention(query, key, value, is_causal=True)
    if causal and T > 1:  # a single newest query sees every key anyway
        past = causal_mask(T, S, query.device)
        mask = past if mask is None else mask & past
    if schedule == "sdpa":
        if bias is not None:  # the kernel takes one of the two
            mask = bias if mask is None else bias.masked_fill(~mask, -math.inf)
        return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attention_weights(query, key, mask, bias) @ value  # (…, T, d)


def _token_by_token(query, key, value, mask, causal, bias):
    T, S = query.shape[-2], key.shape[-2]
    rows = []
    for t in range(T):
        seen = S - T + t + 1 if causal else S  # keys this query may reach
        allowed = None if mask is None else mask.expand(*mask.shape[:-2], T, S)[..., t : t + 1, :seen]
        added = None if bias is None else bias[..., t : t + 1, :seen]
        weights = attention_weights(query[..., t : t + 1, :], key[..., :seen, :], allowed, added)  # (…, 1, seen)
        rows.append(weights @ value[..., :seen, :])  # (…, 1, d)
    return torch.cat(rows, -2)  # (…, T, d)


# -- heads and the cache ------------------------------------------------------------------------------------


class KVCache:
    """Keys and values of the tokens so far, in buffers that are allocated once. One layer's worth.

    `append(key, value)` takes (B, H, T_new, d) and returns views of all keys and values so far,
    (B, H, length, d). Allocating once matters: joining with torch.cat copies the whole past each token.
    """

    def __init__(self, B: int, H: int, T_max: int, d: int, device=None, dtype=None):
        shape = tuple(require_int(name, n) for name, n in (("B", B), ("H", H), ("T_max", T_max), ("d", d)))
        self.key = torch.empty(shape, device=device, dtype=dtype)
        self.value = torch.empty_like(self.key)
        self.length = 0

    @property
    def nbytes(self) -> int:
        """Bytes of the keys and values stored so far (not of the room kept for later ones)."""
        B, H, _, d = self.key.shape
        return 2 * B * H * self.length * d * self.key.element_size()

    def reorder(self, rows: Tensor) -> None:
        """Let sequence b go on from the past of sequence rows[b] (beam search)."""
        past = (slice(None), slice(None), slice(self.length))
        self.key[past], self.value[past] = self.key[past][rows], self.value[past][rows]

    def append(self, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        B, H, room, d = self.key.shape
        fits = key.ndim == 4 and key.shape[:2] == (B, H) and key.shape[3] == d
        require(fits, f"key must have shape ({B}, {H}, T, {d}), got {tuple(key.shape)}")
        require(value.shape == key.shape, f"value must have the key's shape {tuple(key.shape)}, got {tuple(value.shape)}")
        new = key.shape[2]
        end = self.length + new
        require(end <= room, f"the cache holds T_max = {room} tokens; {self.length} are stored and {new} more do not fit")
        self.key[:, :, self.length : end] = key
        self.value[:, :, self.length : end] = value
        self.length = end
        return self.key[:, :, :end], self.value[:, :, :end]  # (B, H, length, d)


class MultiHeadAttention(nn.Module):
    """H attentions side by side, each in its own d-wide view of the tokens. Vaswani et al. 2017, §3.2.2.

    x (B, T, D) → (B, T, D). With `memory` (B, S, D) the keys and values come from there instead
    (cross-attention). One product makes queries, keys and values together. d is D/H unless given.
    H_kv < H: groups of H/H_kv query heads share one head of keys and values, and the cache shrinks by as
    much (H_kv = 1: Shazeer 2019; groups: Ainslie et al. 2023).
    """

    def __init__(self, D: int, H: int, bias: bool = True, device=None, dtype=None, *, H_kv: int | None = None, d: int | None = None):
        super().__init__()
        self.D, self.H = require_int("D", D), require_int("H", H)
        self.H_kv = H if H_kv is None else require_int("H_kv", H_kv)
        require(d is not None or D % H == 0, f"D must be divisible by H, got D={D}, H={H}")
        require(H % self.H_kv == 0, f"H must be divisible by H_kv, got H={H}, H_kv={H_kv}")
        self.d = D // H if d is None else require_int("d", d)
        self.rows = (self.H * self.d, self.H_kv * self.d, self.H_kv * self.d)  # of queries, keys, values
        self.query_key_value = nn.Linear(D, sum(self.rows), bias, device, dtype)
        self.out = nn.Linear(self.H * self.d, D, bias, device, dtype)

    def heads(self, x: Tensor) -> Tensor:
        """(B, T, n·d) → (B, n, T, d): cut the width into heads."""
        return x.view(*x.shape[:2], -1, self.d).transpose(1, 2)

    def project(self, x: Tensor, memory: Tensor | tuple | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """What each token looks for, offers, and gives: query (B, H, T, d), key and value (B, H_kv, S, d)."""
        if memory is None:
            # split, then cut into heads: the gradients then come back as rows that one copy joins
            query, key, value = self.query_key_value(x).split(self.rows, -1)
            return self.heads(query), self.heads(key), self.heads(value)
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        n = self.rows[0]
        query = self.heads(F.linear(x, weight[:n], None if bias is None else bias[:n]))  # (B, H, T, d)
        return query, *(memory if isinstance(memory, tuple) else self.remember(memory))

    def remember(self, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, H_kv, S, d) of a memory (B, S, D), made once for all the queries to come."""
        require_sequence("memory", memory, self.D)
        weight, bias = self.query_key_value.weight, self.query_key_value.bias
        n = self.rows[0]
        key, value = F.linear(memory, weight[n:], None if bias is None else bias[n:]).chunk(2, -1)
        return self.heads(key), self.heads(value)

    def forward(
        self, x: Tensor, memory: Tensor | tuple | None = None, mask: Tensor | None = None, causal: bool = False,
        cache: KVCache | None = None, schedule: str = "sdpa", rotary: tuple[Tensor, Tensor] | None = None,
        bias: Tensor | None = None, head_mask: Tensor | None = None, record: list | None = None,
    ) -> Tensor:  # fmt: skip
        """x (B, T, D) → (B, T, D). With `cache`, x is what follows the tokens stored there.

        rotary   cos and sin that turn queries and keys      bias     (H, T, S), added to the scores
        head_mask   (H,), a factor for each head's answer: 0 takes the head out
        record   a list: the weights (B, H, T, S) are appended to it
        """
        require_sequence("x", x, self.D)
        query, key, value = self.project(x, memory)
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        if cache is not None:
            key, value = cache.append(key, value)
        if self.H_kv < self.H:
            key, value = (z.repeat_interleave(self.H // self.H_kv, 1) for z in (key, value))  # (B, H, S, d)
        y = attention(query, key, value, mask, causal, schedule, bias)  # (B, H, T, d)
        if record is not None:
            past = causal_mask(x.shape[1], key.shape[2], x.device) if causal else None
            both = past if mask is None else mask if past is None else mask & past
            record.append(attention_weights(query, key, both, bias))
        if head_mask is not None:
            y = y * head_mask[:, None, None]
        return self.out(y.transpose(1, 2).flatten(2))  # (B, T, D)

    def weights(self, x: Tensor, memory: Tensor | None = None, mask: Tensor | None = None, causal: bool = False) -> Tensor:
        """Who looks at whom, for heat maps: (B, H, T, S), each row summing to 1."""
        record: list[Tensor] = []
        self(x, memory, mask, causal, record=record)
        return record[0]

    @classmethod
    def from_torch(cls, module: nn.MultiheadAttention) -> MultiHeadAttention:
        """The same attention with the weights of a torch.nn.MultiheadAttention (equal widths) copied in."""
        same = module._qkv_same_embed_dim and module.bias_k is None and not module.add_zero_attn
        require(same, "MultiHeadAttention.from_torch takes equal widths for query, key and value, without bias_kv or zero attention")
        weight = module.in_proj_weight
        new = cls(module.embed_dim, module.num_heads, module.in_proj_bias is not None, weight.device, weight.dtype)
        pairs = ((new.query_key_value, weight, module.in_proj_bias), (new.out, module.out_proj.weight, module.out_proj.bias))
        with torch.no_grad():
            for linear, w, b in pairs:
                linear.weight.copy_(w)
                if b is not None:
                    linear.bias.copy_(b)
        return new
