"""Writing, token by token: the likeliest one (greedy), one drawn at random, or several texts at once (beams).

Each step turns the logits of the next token into a choice and reads that choice as the next input. With
a cache of keys and values a step reads one token; without, it reads the whole text again.

Shapes: batch B, prompt length T, vocabulary V, beams K.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from course_lib.checks import require, require_int
from course_lib.models.cached import Reader

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

    def _begin(self, ids: Tensor, max_new_tokens: int, use_cache: bool, stop_tokens, mask: Tensor | None, start) -> Reader:
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
            return Reader(self.decoder, prompt, None, max_new_tokens, use_cache, encoder(ids, mask), mask)
        _room(c, ids.shape[1], max_new_tokens)
        if mask is not None:
            if bool(mask.all()):
                mask = None
            else:
                order = mask.long().argsort(dim=1, stable=True)  # padding first; the tokens keep their order
                ids, mask = ids.gather(1, order), mask.bool().gather(1, order)
        return Reader(self, ids, mask, max_new_tokens, use_cache)


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
