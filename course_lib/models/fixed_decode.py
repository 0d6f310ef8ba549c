"""Greedy decoding in steps whose shapes never change, so that a GPU can replay one recorded step.

A step of decoding is a hundred small operations, and on a GPU starting one takes longer than doing it. A CUDA
graph starts them all with one command, but only if nothing depends on Python: the cache is then read whole,
with a mask over what is not written yet, and the place of the new token is a tensor. Elsewhere the same
step runs as it is.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks import require, require_int
from course_lib.models.attention import KVCache
from course_lib.models.positions import rotate
from course_lib.models.transformer import Decoder

__all__ = ["FixedSteps"]


class FixedSteps:
    """Writes `new` tokens after prompts (B, T), always the likeliest: FixedSteps(decoder, ids, new).run() → (B, T + new).

    The same tokens as `decoder.generate(ids, new)`. graph=True records the step as a CUDA graph (a GPU only);
    run() may be called again and again. Raises InputError for relative positions and for more tokens than fit.
    """

    @torch.no_grad()
    def __init__(self, decoder: Decoder, ids: Tensor, new: int, graph: bool = False):
        c, (B, T), new = decoder.config, ids.shape, require_int("new", new)
        require(c.positions != "relative", "steps of fixed shape take learned, sinusoidal, rotary or no positions")
        require(c.T_max >= T + new, f"{T} tokens and {new} more are longer than the context, T_max = {c.T_max}")
        require(not graph or ids.is_cuda, "a CUDA graph needs a model and ids on a GPU")
        weight = decoder.embedding.weight
        self.decoder, self.ids, self.new = decoder.eval(), ids, new
        self.caches = [KVCache(B, c.H_kv or c.H, T + new, c.head_width, weight.device, weight.dtype) for _ in decoder.blocks]
        for cache in self.caches:  # read before it is written: a weight of 0 times a stray NaN would be NaN
            cache.key.zero_(), cache.value.zero_()
        first = decoder.logits(decoder.hidden(ids, caches=self.caches)[:, -1]).argmax(-1, keepdim=True)  # (B, 1)
        self.first, self.token = first, first.clone()
        self.place = torch.tensor([T], device=ids.device)  # of the token to be read
        self.columns = torch.arange(T + new, device=ids.device)
        self.written = torch.zeros(B, T + new, dtype=torch.long, device=ids.device)
        self.written[:, :T], self.written[:, T] = ids, first[:, 0]
        self.advance = self._recorded() if graph else self.step

    @torch.no_grad()
    def run(self) -> Tensor:
        """Prompt and new tokens.  # (B, T + new)"""
        self._back()
        for _ in range(self.new - 1):
            self.advance()
        return self.written.clone()

    @torch.no_grad()
    def step(self) -> None:
        """Read the newest token, keep its keys and values, and write the likeliest next one."""
        decoder, rotary = self.decoder, None
        x = decoder.embed(self.token, self.place)  # (B, 1, D)
        if decoder.config.positions == "rotary":
            rotary = decoder.positions(self.place[None])  # (1, 1, 1, d)
        seen = (self.columns <= self.place)[None, None, None]  # (1, 1, 1, S)
        for block, cache in zip(decoder.blocks, self.caches):
            x = self._block(block, cache, x, rotary, seen)
        x = x if decoder.last_norm is None else decoder.last_norm(x)
        self.token.copy_(decoder.logits(x)[:, -1].argmax(-1, keepdim=True))
        self.place += 1
        self.written.index_copy_(1, self.place, self.token)

    def _block(self, block, cache: KVCache, x: Tensor, rotary, seen: Tensor) -> Tensor:
        a, pre = block.attention, block.norm == "pre"
        query, key, value = a.project(block.attention_norm(x) if pre else x)  # (B, H or H_kv, 1, d)
        if rotary is not None:
            query, key = rotate(query, rotary), rotate(key, rotary)
        cache.key.index_copy_(2, self.place, key)
        cache.value.index_copy_(2, self.place, value)
        query = query.view(len(x), a.H_kv, -1, a.d)  # (B, H_kv, H/H_kv, d): heads that share keys stand in the place of T
        y = F.scaled_dot_product_attention(query, cache.key, cache.value, attn_mask=seen)
        x = x + a.out(y.reshape(len(x), 1, -1))  # (B, 1, D)
        x = x if pre else block.attention_norm(x)
        x = x + block.feed_forward(block.feed_forward_norm(x) if pre else x)
        return x if pre else block.feed_forward_norm(x)

    def _back(self) -> None:
        self.token.copy_(self.first)
        self.place.fill_(self.ids.shape[1])

    def _recorded(self):
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):  # first calls choose kernels and allocate: outside the recording
            for _ in range(min(3, self.new - 1)):
                self.step()
        torch.cuda.current_stream().wait_stream(side)
        self._back()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.step()
        self._back()
        return graph.replay
