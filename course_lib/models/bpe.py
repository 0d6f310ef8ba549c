"""Byte-pair encoding: words cut into pieces, the common ones whole. Gage 1994; Sennrich et al. 2016; bytes as in GPT-2.

Start from the 256 bytes, which can spell any text. Join the pair of neighbours that occurs most often to a new
token, and again, until there are V tokens. No text is then unknown, and frequent words cost one token.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from course_lib.checks import InputError, require, require_int

__all__ = ["BPE", "PATTERN"]

# Tokens never reach across these pieces: a word with the space before it, a number, punctuation, blank space. It is
# GPT-2's pattern, with its classes of characters written out, so that every engine of regular expressions agrees.
_LETTERS, _BLANK = "A-Za-z\u00aa\u00b5\u00ba\u00c0-\u1fff\u2070-\U0010ffff", "\t-\r "
PATTERN = f"'(?:s|t|re|ve|m|ll|d)| ?[{_LETTERS}]+| ?[0-9]+| ?[^{_BLANK}{_LETTERS}0-9]+|[{_BLANK}]+(?![^{_BLANK}])|[{_BLANK}]+"
BYTES = 256
Pair = tuple[int, int]


class BPE:
    """A vocabulary of byte-pair tokens: ids 0 … 255 are the bytes, id 256 + i is what merge i joins.

    `BPE.train(text, V)` learns one; `encode` and `decode` turn text into ids and back, without loss for any
    Unicode text; `len()` is V. Raises InputError for merges that cannot be.
    """

    def __init__(self, merges: Iterable[Pair] = ()):
        self.merges: list[Pair] = []
        self.tokens = [bytes([i]) for i in range(BYTES)]  # id → its bytes
        for pair in merges:
            good = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(type(i) is int and 0 <= i < len(self) for i in pair)
            require(good, f"merge {len(self.merges)} must join two of the {len(self)} tokens before it, got {pair!r}")
            self.merges.append(tuple(pair))
            self.tokens.append(self.tokens[pair[0]] + self.tokens[pair[1]])
        self._ranks = {pair: BYTES + i for i, pair in enumerate(self.merges)}  # the earlier a merge, the sooner it is done
        require(len(self._ranks) == len(self.merges), "no pair may be merged twice")
        self._known: dict[str, list[int]] = {}  # pieces seen before: text repeats itself

    def __len__(self) -> int:
        return len(self.tokens)

    @classmethod
    def train(cls, text: str, V: int) -> BPE:
        """The V − 256 merges, each of the pair that is then the most frequent in `text` (the smaller ids first, in a tie).

        Stops early where no pair occurs twice. Raises InputError for V < 256 or a text that is no string.
        """
        require_int("V", V, least=BYTES)
        words = Counter(_pieces(text))  # each piece is counted once and weighs as often as it occurs
        ids, weight = [list(word.encode()) for word in words], list(words.values())
        count: Counter[Pair] = Counter()
        where = defaultdict(set)  # pair → the words it has been seen in
        for w, word in enumerate(ids):
            for pair in zip(word, word[1:]):
                count[pair] += weight[w]
                where[pair].add(w)
        heap = [(-n, pair) for pair, n in count.items()]
        heapq.heapify(heap)
        merges: list[Pair] = []
        while heap and BYTES + len(merges) < V:
            n, best = heapq.heappop(heap)
            if -n != count[best]:  # the count has changed since; its entry with today's count is in the heap as well
                continue
            if -n < 2:
                break
            changed = set()
            for w in where.pop(best):
                old, new = ids[w], _merge(ids[w], best, BYTES + len(merges))
                for pairs, sign in ((zip(old, old[1:]), -1), (zip(new, new[1:]), 1)):
                    for pair in pairs:
                        count[pair] += sign * weight[w]
                        changed.add(pair)
                        if sign > 0:
                            where[pair].add(w)
                ids[w] = new
            merges.append(best)
            for pair in changed - {best}:
                heapq.heappush(heap, (-count[pair], pair))
        return cls(merges)

    def encode(self, text: str) -> list[int]:
        """Text → ids. In every piece, the earliest merge that applies is done first, then the next."""
        out = []
        for piece in _pieces(text):
            ids = self._known.get(piece)
            if ids is None:
                ids = self._known[piece] = self._encode_piece(piece)
            out += ids
        return out

    def _encode_piece(self, piece: str) -> list[int]:
        ids = list(piece.encode())
        while len(ids) > 1:
            best = min(zip(ids, ids[1:]), key=lambda pair: self._ranks.get(pair, len(self)))
            if best not in self._ranks:
                break
            ids = _merge(ids, best, self._ranks[best])
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Ids → text; bytes that are no whole character (a token may end inside one) show as �."""
        ids = [int(i) for i in ids]
        require(not ids or 0 <= min(ids) <= max(ids) < len(self), f"ids must lie in 0…{len(self) - 1}")
        return b"".join(self.tokens[i] for i in ids).decode(errors="replace")

    def to_json(self) -> str:
        """The merges as text, for `BPE.from_json`."""
        return json.dumps({"merges": self.merges}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> BPE:
        """The tokenizer that `to_json` wrote down. Raises InputError for any other text."""
        try:
            merges = json.loads(text)["merges"]
        except (ValueError, KeyError, TypeError, RecursionError):
            merges = None
        require(isinstance(merges, list), "this is no byte-pair encoding: it must be JSON with a list of merges")
        return cls(merges)


def _pieces(text: str) -> list[str]:
    require(isinstance(text, str), f"text must be a string, got {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("text holds half a character (a lone surrogate), which no file can") from None
    return re.findall(PATTERN, text)


def _merge(ids: Sequence[int], pair: Pair, new: int) -> list[int]:
    """Every `pair` of neighbours replaced by `new`, from the left."""
    out, i = [], 0
    while i < len(ids):
        joins = ids[i] == pair[0] and i + 1 < len(ids) and ids[i + 1] == pair[1]
        out.append(new if joins else ids[i])
        i += 2 if joins else 1
    return out
