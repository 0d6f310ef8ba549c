"""Writing, token by token: the likeliest one (greedy), one drawn at random, or several texts at once (beams).

Each step turns the logits of the next token into a choice and reads that choice as the next input. With
a cache of keys and values a step reads one token; without, it reads the whole text again.

Shapes: batch B, prompt length T, vocabulary V, beams K.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require, require_int
from course_lib.models.attention import KVCache
from course_lib.models.positions import rotate

__all__ = ["next_token_probabilities", "Writer"]


def next_token_probabilities(logits: Tensor, temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None) -> Tensor:
    """The distribution a token is drawn from: logits (…, V) → (…, V), each row summing to 1.

    temperature   divides the logits: below 1 sharper, above 1 flatter, 0 all on the likeliest token
    top_k         keeps the k likeliest tokens (Fan et al. 2018)
    top_p         keeps the fewest likeliest tokens that together have at least p (Holtzman et al. 2020)

    They act in this order, as in Hugging Face's `generate`. Raises InputError for a value out of range.
    """
    V = logits.shape[-1]
    require(math.isfinite(temperature) and temperature >= 0, f"temperature must be ≥ 0, got {temperature}")
    require(top_p is None or 0 < top_p <= 1, f"top_p must lie in (0, 1], got {top_p}")
    if top_k is not None:
        require_int("top_k", top_k)
    if temperature == 0:
        return torch.zeros_like(logits).scatter_(-1, logits.argmax(-1, keepdim=True), 1.0)
    logits = logits.float() / temperature  # (…, V)
    if top_k is not None and top_k < V:
        logits = logits.masked_fill(logits < logits.topk(top_k)[0][..., -1:], -math.inf)
    if top_p is not None and top_p < 1:
        p, order = logits.softmax(-1).sort(descending=True, stable=True)
        before = p.cumsum(-1) - p  # what the likelier tokens have together
        logits = logits.masked_fill((before >= top_p).scatter(-1, order, before >= top_p), -math.inf)
    return logits.softmax(-1)


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


class _Text:
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


class Writer:
    """What a Decoder and an EncoderDecoder can do with a next-token distribution: write."""

    def generate(
        self, ids: Tensor, max_new_tokens: int, temperature: float = 0.0, top_k: int | None = None, top_p: float | None = None,
        num_beams: int = 1, use_cache: bool = True, stop_tokens: Sequence[int] = (), seed: int | None = None,
        mask: Tensor | None = None, start: int | Tensor = 0, length_penalty: float = 1.0, on_token: Callable[[Tensor], object] | None = None,
    ) -> Tensor:  # fmt: skip
        """Write on from prompts ids (B, T): → (B, T + at most max_new_tokens), the prompts included.

        temperature, top_k, top_p   as in `next_token_probabilities`; temperature 0, the default, is greedy
        stop_tokens   a text ends with the first of these; the rest of its row repeats it
        mask          (B, T), True at real tokens, where prompts of unequal length are padded (on either side)
        seed          of the draws (torch's global generator when None)      use_cache=False   reads all again each step
        on_token      called with the new tokens (B,) of each step; when it returns False, writing ends

        An EncoderDecoder takes source ids (B, S) and their mask instead and returns targets beginning with
        `start`: one id, or prompts (B, T).

        num_beams=K keeps the K likeliest unfinished texts at every step and returns, of K finished ones, the one
        whose log-probability / length^length_penalty is greatest (temperature must be 0). As in transformers
        with early_stopping=False, a search ends once the likeliest unfinished text, at its present length,
        scores below all K finished ones; a longer text could in principle still win.

        Raises InputError: an empty prompt, one that leaves no room in the context, ids outside the
        vocabulary, and every argument out of range.
        """
        require_int("num_beams", num_beams)
        arguments = (ids, max_new_tokens, temperature, top_k, top_p, use_cache, stop_tokens, seed, mask, start)
        if num_beams == 1:
            tokens = []
            for token in self.stream(*arguments):
                tokens.append(token)
                if on_token is not None and on_token(token) is False:
                    break
        else:
            require(temperature == 0, f"beam search draws nothing: temperature must be 0, got {temperature}")
            require(on_token is None, "beam search knows its text only at the end: on_token needs num_beams=1")
            training = self.training
            tokens = self.eval()._beams(num_beams, length_penalty, *arguments).clone().unbind(1)
            self.train(training)
        prompt = ids if not hasattr(self, "encoder") else _prompt(start, ids)
        return torch.cat((prompt, torch.stack(tokens, 1)), 1)  # (B, T + new)

    def stream(self, *args, **kwargs) -> Iterator[Tensor]:
        """The same as they come: yields the new tokens (B,) of each step. Arguments of `generate`, without beams."""
        training = self.training
        self.eval()  # dropout has no place here
        try:
            for token in self._tokens(*args, **kwargs):
                yield token.clone()  # made outside of inference mode: the reader may train on it
        finally:
            self.train(training)

    @torch.inference_mode()
    def _tokens(self, ids, max_new_tokens, temperature=0.0, top_k=None, top_p=None, use_cache=True, stop_tokens=(), seed=None, mask=None, start=0):
        text = self._begin(ids, max_new_tokens, use_cache, stop_tokens, mask, start)
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        stops = torch.tensor(sorted(stop_tokens), device=ids.device)
        ended = last = None
        next_token_probabilities(torch.zeros(1), temperature, top_k, top_p)  # a wrong argument is told before the first token
        for n in range(max_new_tokens):
            logits = text.logits()  # (B, V)
            if temperature == 0:
                tokens = logits.argmax(-1)  # (B,)
            else:
                p = next_token_probabilities(logits, temperature, top_k, top_p).cpu()
                tokens = torch.multinomial(p, 1, generator=generator)[:, 0].to(ids.device)  # (B,)
            if len(stops):
                if ended is not None:
                    tokens = torch.where(ended, last, tokens)
                ended, last = torch.isin(tokens, stops), tokens
            yield tokens
            if n + 1 == max_new_tokens or (ended is not None and bool(ended.all())):
                return
            text.add(tokens)

    @torch.inference_mode()
    def _beams(self, K, length_penalty, ids, max_new_tokens, temperature, top_k, top_p, use_cache, stop_tokens, seed, mask, start):
        B = len(ids)
        ids, mask = (None if z is None else z.repeat_interleave(K, 0) for z in (ids, mask))  # (B·K, T)
        start = start.repeat_interleave(K, 0) if isinstance(start, Tensor) else start
        text = self._begin(ids, max_new_tokens, use_cache, stop_tokens, mask, start)
        stops = torch.tensor(sorted(stop_tokens), device=ids.device)
        never = -1e9
        score = torch.full((B, K), never, device=ids.device)
        score[:, 0] = 0.0  # all beams of a prompt are the same at first: let one of them spread
        texts = ids.new_zeros(B, K, max_new_tokens)
        done_score, done_texts, done = torch.full_like(score, never), texts, torch.zeros_like(score, dtype=torch.bool)
        length = torch.zeros_like(score, dtype=torch.long)
        hope = torch.ones(B, 1, dtype=torch.bool, device=ids.device)  # could this prompt's best still be beaten?

        def take(x, index):
            return x.gather(1, index.view(*index.shape, *[1] * (x.ndim - 2)).expand(*index.shape, *x.shape[2:]))

        for n in range(max_new_tokens):
            log_p = text.logits().float().log_softmax(-1)  # (B·K, V)
            V = log_p.shape[-1]
            total = (log_p.view(B, K, V) + score[..., None]).flatten(1)  # (B, K·V)
            # of so many, at least K go on although others stop
            best, index = total.topk(min(max(2, 1 + len(stops)) * K, K * V))  # (B, candidates)
            beam, token = index // V, index % V
            candidates = take(texts, beam)
            candidates[:, :, n] = token
            ends = torch.isin(token, stops) if n + 1 < max_new_tokens else torch.ones_like(token, dtype=torch.bool)
            score, alive = (best + ends * never).topk(K)
            texts = take(candidates, alive)
            # only an ending among the K likeliest counts, and only while there is hope
            counts = ends.clone()
            counts[:, K:] = False
            ended_score = best / (n + 1) ** length_penalty + ~counts * never + ~hope * never
            done_score, winners = torch.cat((done_score, ended_score), 1).topk(K)
            done_texts = take(torch.cat((done_texts, candidates), 1), winners)
            done = take(torch.cat((done, counts), 1), winners)
            length = take(torch.cat((length, torch.full_like(token, n + 1)), 1), winners)
            worst = done_score.min(1, keepdim=True)[0].where(done, never)  # (B, K)
            hope = hope & (score[:, :1] / (n + 1) ** length_penalty > worst).any(1, keepdim=True)
            if not hope.any() or ends.all():
                break
            rows = take(beam, alive) + torch.arange(B, device=ids.device)[:, None] * K  # (B, K)
            text.add(take(token, alive).flatten(), rows.flatten())
        length = length[:, 0]  # (B,)
        texts = done_texts[:, 0, : int(length.max())]  # (B, longest)
        last = texts.gather(1, length[:, None] - 1)
        return torch.where(torch.arange(texts.shape[1], device=ids.device) < length[:, None], texts, last)  # (B, longest)

    def _begin(self, ids: Tensor, max_new_tokens: int, use_cache: bool, stop_tokens, mask: Tensor | None, start) -> _Text:
        """Check the arguments, put the padding in front, and encode the source where there is one."""
        c = self.config
        require(c.V is not None, "this model has no vocabulary to write in: its config has V=None")
        require_int("max_new_tokens", max_new_tokens)
        encoder = getattr(self, "encoder", None)
        _check(ids, mask, (encoder or self).config.V)
        require(all(0 <= t < c.V for t in stop_tokens), f"stop_tokens must lie in 0…{c.V - 1}, got {list(stop_tokens)}")
        if encoder is not None:
            prompt = _prompt(start, ids)
            _check(prompt, None, c.V)
            _room(c, prompt.shape[1], max_new_tokens)
            return _Text(self.decoder, prompt, None, max_new_tokens, use_cache, encoder(ids, mask), mask)
        _room(c, ids.shape[1], max_new_tokens)
        if mask is not None:
            if bool(mask.all()):
                mask = None
            else:
                order = mask.long().argsort(dim=1, stable=True)  # padding first; the tokens keep their order
                ids, mask = ids.gather(1, order), mask.bool().gather(1, order)
        return _Text(self, ids, mask, max_new_tokens, use_cache)


def _prompt(start: int | Tensor, source: Tensor) -> Tensor:
    return start if isinstance(start, Tensor) else source.new_full((len(source), 1), start)


def _check(ids: Tensor, mask: Tensor | None, V: int) -> None:
    require(ids.ndim == 2 and not ids.is_floating_point(), f"a prompt must be integer ids of shape (B, T), got {ids.dtype} of shape {tuple(ids.shape)}")
    require(ids.numel() > 0, f"the prompt is empty: ids have shape {tuple(ids.shape)}; give at least one token")
    low, high = int(ids.min()), int(ids.max())
    require(low >= 0 and high < V, f"ids must lie in 0…{V - 1}, the model's vocabulary; got {low}…{high}")
    if mask is not None:
        require(mask.shape == ids.shape, f"mask must have the shape of ids, {tuple(ids.shape)}, got {tuple(mask.shape)}")
        require(bool(mask.bool().any(1).all()), "a prompt is empty: its mask hides all its tokens")


def _room(c, T: int, new: int) -> None:
    limit = c.T_max if c.positions not in ("relative", "none") else math.inf
    require(limit > T, f"the prompt of {T} tokens is as long as the context, T_max = {c.T_max}, or longer; nothing can follow it")
    require(T + new - 1 <= limit, f"a prompt of {T} tokens and {new} new ones do not fit in the context, T_max = {c.T_max}")
