"""A decoder that reads its texts on, one new token at a time, keeping what it has computed.

`Reader` is the readable side: what has been read, where it is padded, what is kept. `one_token` is a block for a
single new token, stripped to its arithmetic.

Shapes: batch B, heads H (of keys and values H_kv), head width d, S tokens so far, width D, vocabulary V.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.models.attention import KVCache
from course_lib.models.positions import rotate

__all__ = ["Reader", "one_token"]


def _product(linear) -> Callable:
    """`linear` with its weights looked up once."""
    if not isinstance(linear, nn.Linear):
        return linear.forward  # rounded weights (quantised.py)
    W, b = linear.weight, linear.bias
    return lambda x: F.linear(x, W, b)


def one_token(block, cache: KVCache) -> Callable:
    """`block(x, causal=True, cache=cache)` for a single new token of each text, as a function x (B, D) → (B, D).

    The same operations, with everything that does not change looked up once and nothing checked: in a small
    model Python takes longer than the arithmetic, and this halves its share. A lone query needs no causal
    mask, and the query heads that share a head of keys can stand in the place of T. `seen` is the mask
    (B, 1, 1, S) or the bias (H, 1, S) of all layers. Hooks on the block's modules do not fire.
    """
    a, first, second, pre = block.attention, block.feed_forward[0], block.feed_forward[2], block.norm == "pre"
    norm, last_norm, change = block.attention_norm.forward, block.feed_forward_norm.forward, block.feed_forward[1].forward
    project, join, widen, narrow = (_product(linear) for linear in (a.query_key_value, a.out, first, second))
    H, H_kv, d, keys, values = a.H, a.H_kv, a.d, cache.key, cache.value
    B = len(keys)

    def step(x: Tensor, seen: Tensor | None, rotary: tuple | None, memory: tuple | None, memory_mask: Tensor | None) -> Tensor:
        made = project(norm(x) if pre else x).view(B, -1, 1, d)  # (B, H + 2·H_kv, 1, d)
        if rotary is None:
            query, key, value = made.split((H, H_kv, H_kv), 1)
        else:
            both, value = made.split((H + H_kv, H_kv), 1)
            query, key = rotate(both, rotary).split((H, H_kv), 1)  # queries and keys in one go
        n = cache.length
        cache.length = S = n + 1
        keys[:, :, n:S], values[:, :, n:S] = key, value
        if H_kv != H:
            query = query.view(B, H_kv, -1, d)  # (B, H_kv, H/H_kv, d)
        y = F.scaled_dot_product_attention(query, keys[:, :, :S], values[:, :, :S], seen)
        x = x + join(y.reshape(B, H * d))  # (B, D)
        x = x if pre else norm(x)
        if memory is not None:
            h = block.cross_attention_norm(x) if pre else x
            x = x + block.cross_attention(h[:, None], memory, memory_mask)[:, 0]
            x = x if pre else block.cross_attention_norm(x)
        x = x + narrow(change(widen(last_norm(x) if pre else x)))
        return x if pre else last_norm(x)

    return step


class Reader:
    """A decoder in the middle of B texts: what it has read, where that is padded, and what it keeps of it."""

    def __init__(self, decoder, ids: Tensor, mask: Tensor | None, room: int, use_cache: bool, memory=None, memory_mask=None):
        c = decoder.config
        self.decoder, self.ids, self.memory, self.memory_mask = decoder, ids, memory, memory_mask
        # what is written after the prompt is never padding
        self.mask = None if mask is None else F.pad(mask, (0, room), value=True)  # (B, T + room)
        self.caches = None
        if use_cache:
            weight = decoder.embedding.weight
            self.caches = [KVCache(len(ids), c.H_kv or c.H, ids.shape[1] + room, c.head_width, weight.device, weight.dtype) for _ in decoder.blocks]
            self.steps = [one_token(block, cache) for block, cache in zip(decoder.blocks, self.caches)]
            self.memory = [None if memory is None else block.cross_attention.remember(memory) for block in decoder.blocks]
            if memory_mask is not None:
                self.memory_mask = memory_mask.bool()[:, None, None]  # (B, 1, 1, S)

    def logits(self) -> Tensor:
        """Read what is new; the logits of the next token.  # (B, V)"""
        decoder = self.decoder
        if self.caches and self.caches[0].length:
            return decoder.logits(self._read_one())
        mask = None if self.mask is None else self.mask[:, : self.ids.shape[1]]
        x = decoder.hidden(self.ids, mask, caches=self.caches, memory=self.memory, memory_mask=self.memory_mask)
        return decoder.logits(x[:, -1])

    def _read_one(self) -> Tensor:
        """`decoder.hidden` of the newest token alone.  # (B, D)"""
        decoder, n, seen = self.decoder, self.caches[0].length, None
        where = slice(n, n + 1)
        if self.mask is not None:
            seen = self.mask[:, : n + 1]
            where = seen.sum(1, keepdim=True) - 1  # (B, 1)
            seen = seen[:, None, None]  # (B, 1, 1, S)
        x = decoder.embed(self.ids, where)[:, 0]  # (B, D)
        rotary = decoder.positions(where) if decoder.config.positions == "rotary" else None
        if decoder.config.positions == "relative":
            bias = decoder.positions(1, n + 1).view(self.caches[0].key.shape[1], -1, n + 1)  # (H_kv, H/H_kv, S)
            seen = bias if seen is None else bias.masked_fill(~seen, -math.inf)
        for step, memory in zip(self.steps, self.memory):
            x = step(x, seen, rotary, memory, self.memory_mask)
        return x if decoder.last_norm is None else decoder.last_norm(x)

    def add(self, tokens: Tensor, rows: Tensor | None = None) -> None:
        """Append a token (B,) to each text, after letting text b go on from the past of text rows[b]."""
        if self.caches:
            self.ids = tokens[:, None]  # (B, 1)
            for cache in self.caches if rows is not None else ():
                cache.reorder(rows)
        else:
            self.ids = torch.cat((self.ids if rows is None else self.ids[rows], tokens[:, None]), 1)
