"""Models to be beaten: what counting alone reaches."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import scipy  # loads its parts when they are first used: only Part 3 needs them, and they take half a second
from threadpoolctl import threadpool_limits  # comes with scikit-learn

from course_lib.checks import InputError, require, require_int

__all__ = ["NGram", "cooccurrence", "pmi", "ppmi", "ppmi_svd"]


class NGram:
    """The next symbol from the order−1 before it, by counting; unseen contexts lean on shorter ones.

    Interpolated Witten–Bell smoothing: after context h, seen c(h) times with N(h) different successors,

        P(w | h) = (c(hw) + N(h)·P(w | h′)) / (c(h) + N(h)),      h′ = h without its first symbol,

    down to the uniform distribution 1/V below order 1. Witten & Bell 1991; Chen & Goodman 1999, section 2.5.
    Sequences are lists of ids 0 … V−1; before the first symbol stand begin marks, which are never predicted.

    >>> model = NGram(3, V=27).fit(names.sequences(names.train))
    >>> np.exp(model.nats(names.sequences(names.validation)))       # perplexity a letter
    """

    def __init__(self, order: int, V: int):
        self.order, self.V = require_int("order", order), require_int("V", V)
        require((V + 1) ** order < 2**63, f"order {order} with V = {V} needs codes beyond 64 bits; choose a smaller order")
        self._levels: list[tuple[np.ndarray, ...]] = []

    def fit(self, sequences: Sequence[Sequence[int]]) -> NGram:
        """Count every symbol after every context of 0 … order−1 symbols."""
        contexts, symbols = self._positions(sequences)
        self._levels = []
        for k in range(self.order):  # k: length of the context
            pairs, count = np.unique(self._code(contexts, k) * (self.V + 1) + symbols, return_counts=True)
            seen, first = np.unique(pairs // (self.V + 1), return_index=True)  # pairs are sorted by context
            successors = np.diff(np.append(first, len(pairs)))  # N(h)
            self._levels.append((pairs, count, seen, np.add.reduceat(count, first), successors))
        return self

    def nats(self, sequences: Sequence[Sequence[int]]) -> float:
        """Mean −ln P of a symbol (natural log); its exponential is the perplexity."""
        return float(-np.log(self._probability(*self._positions(sequences))).mean())

    def probabilities(self, context: Sequence[int] = ()) -> np.ndarray:
        """P(w | context) of every symbol w; a context shorter than order−1 is taken as a beginning.  # (V,)"""
        before, _ = self._positions([[*context, 0]])
        return self._probability(np.repeat(before[-1:], self.V, 0), np.arange(self.V))

    def generate(self, steps: int, stop: int | None = None, rng: np.random.Generator | None = None) -> list[int]:
        """Draw at most `steps` symbols from the beginning on; ends after `stop`."""
        rng = np.random.default_rng() if rng is None else rng
        ids: list[int] = []
        while len(ids) < require_int("steps", steps) and (not ids or ids[-1] != stop):
            p = self.probabilities(ids[-self.order :])
            ids.append(int(rng.choice(self.V, p=p / p.sum())))
        return ids

    def _positions(self, sequences) -> tuple[np.ndarray, np.ndarray]:
        """All symbols, and before each the order−1 symbols it follows.  # (n, order−1), (n,)"""
        width, lengths = self.order - 1, [len(s) for s in sequences]
        symbols = np.fromiter(chain.from_iterable(sequences), dtype=np.int64, count=sum(lengths))  # (n,)
        require(len(symbols) > 0, "sequences must hold at least one symbol")
        require(symbols.min() >= 0 and symbols.max() < self.V, f"symbols must lie in 0 … {self.V - 1}, got {symbols.min()} … {symbols.max()}")
        place = np.arange(len(symbols)) + width * np.repeat(np.arange(1, len(lengths) + 1), lengths)
        padded = np.full(len(symbols) + width * len(lengths), self.V)
        padded[place] = symbols
        return padded[place[:, None] + np.arange(-width, 0)], symbols

    def _code(self, contexts: np.ndarray, k: int) -> np.ndarray:
        """The last k symbols as one number in base V+1.  # (n,)"""
        code = np.zeros(len(contexts), dtype=np.int64)
        for j in range(contexts.shape[1] - k, contexts.shape[1]):
            code = code * (self.V + 1) + contexts[:, j]
        return code

    def _probability(self, contexts: np.ndarray, symbols: np.ndarray) -> np.ndarray:
        if not self._levels:
            raise InputError("this NGram has counted nothing yet; call fit first")
        p = np.full(len(symbols), 1 / self.V)
        for k, (pairs, count, seen, total, successors) in enumerate(self._levels):
            code = self._code(contexts, k)
            c_hw = _look_up(code * (self.V + 1) + symbols, pairs, count)
            c_h, N_h = _look_up(code, seen, total), _look_up(code, seen, successors)
            p = np.where(c_h > 0, (c_hw + N_h * p) / np.maximum(c_h + N_h, 1), p)
        return p  # (n,)


def _look_up(codes: np.ndarray, sorted_codes: np.ndarray, values: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(sorted_codes, codes), len(sorted_codes) - 1)
    return np.where(sorted_codes[at] == codes, values[at], 0)


# -- words by the company they keep: counts, and vectors made of nothing else -----------------------------------


def cooccurrence(ids: np.ndarray, V: int, window: int = 10, taper: bool = True) -> scipy.sparse.csr_matrix:
    """How often word j stands within `window` words of word i; ids (T,), −1 for a word that is not counted.  # (V, V)

    taper: a neighbour at distance d counts (window − d + 1) / window, as in skip-gram; otherwise 1.
    Symmetric. Raises InputError for ids outside −1 … V−1.
    """
    ids = np.asarray(ids)
    require(len(ids) > 0 and ids.min() >= -1 and ids.max() < V, f"ids must lie in -1 … {V - 1}")
    total = scipy.sparse.csr_matrix((V, V))
    for d in range(1, min(require_int("window", window), len(ids) - 1) + 1):
        left, right = ids[:-d], ids[d:]
        both = (left >= 0) & (right >= 0)
        weight = np.full(both.sum(), (window - d + 1) / window if taper else 1.0)
        total = total + scipy.sparse.coo_matrix((weight, (left[both], right[both])), shape=(V, V)).tocsr()
    return (total + total.T).tocsr()


def pmi(counts: scipy.sparse.spmatrix, share: np.ndarray | None = None) -> scipy.sparse.coo_matrix:
    """ln P(i, j) / (P(i) P(j)) of every pair that was seen: how many times as often as by chance.  # (V, V)

    share: P(j) of the contexts (V,), where it is not that of the counts. Pointwise mutual information:
    Church & Hanks 1990.
    """
    seen = scipy.sparse.coo_matrix(counts)
    seen.eliminate_zeros()
    require(seen.nnz > 0, "counts must hold at least one pair")
    total = np.asarray(counts.sum(1)).ravel()  # (V,)
    share = total / total.sum() if share is None else share
    return scipy.sparse.coo_matrix((np.log(seen.data / (total[seen.row] * share[seen.col])), (seen.row, seen.col)), shape=seen.shape)


def ppmi(counts: scipy.sparse.spmatrix) -> scipy.sparse.csr_matrix:
    """PMI where it is positive, else 0: a long and sparse vector for each word (Bullinaria & Levy 2007).  # (V, V)"""
    matrix = pmi(counts).tocsr()
    matrix.data = np.maximum(matrix.data, 0)
    matrix.eliminate_zeros()
    return matrix


def ppmi_svd(counts: scipy.sparse.spmatrix, D: int = 100) -> np.ndarray:
    """The D strongest directions of the PPMI matrix: rows of U·√S, a dense vector for each word (Levy et al. 2015, §3.3).  # (V, D)"""
    from scipy.sparse.linalg import svds

    matrix = ppmi(counts)
    require(1 <= require_int("D", D) < matrix.shape[0], f"D must be below the {matrix.shape[0]} words, got {D}")
    with threadpool_limits(1):  # its many small products gain nothing from threads, and lose much on a busy machine
        U, S, _ = svds(matrix, D, v0=np.ones(matrix.shape[0]))  # a fixed start: the same vectors every time
    return (U * np.sqrt(S))[:, ::-1]  # the strongest first
