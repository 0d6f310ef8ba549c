"""Words as vectors: skip-gram with negative sampling, GloVe, and what one asks of the vectors afterwards.

Word w has a vector w (it is the word in the middle) and a vector c (it is a neighbour). Both models ask that
the product w·c say how often the two words meet:

    skip-gram   σ(w·c) → 1 for pairs seen in the text, → 0 for pairs drawn at random   Mikolov et al. 2013
    GloVe       w·c + b_w + b_c → the logarithm of the pair's count                    Pennington et al. 2014

Vocabulary V, width D, T tokens in a piece of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import InputError, require, require_int

__all__ = ["SkipGram", "GloVe", "RunningMean", "WordVectors", "subsample", "train_glove", "train_skip_gram"]


class _TwoTables(nn.Module):
    def __init__(self, V: int, D: int):
        super().__init__()
        self.word = nn.Parameter(torch.empty(require_int("V", V), require_int("D", D)).uniform_(-0.5 / D, 0.5 / D))
        self.context = nn.Parameter(torch.empty(V, D).uniform_(-0.5 / D, 0.5 / D))


class SkipGram(_TwoTables):
    """Vectors `word` and `context`, (V, D) each, and the loss of negative sampling (Mikolov et al. 2013, equation 4)."""

    def loss(self, ids: Tensor, negatives: Tensor, window: int = 5, k: float = 5.0) -> Tensor:
        """Mean loss of the words in a piece of running text, ids (T,), against `negatives` (n,), drawn at random.

        A neighbour at distance d counts (window − d + 1) / window, as if the window's reach were drawn anew for
        each word. The whole piece shares its negatives; each pair seen weighs as much as k/n of all n of them.
        Raises InputError for a piece no longer than the window.
        """
        T, n = len(ids), len(negatives)
        require(require_int("window", window) < T, f"a piece of text must be longer than the window of {window}, got {T} tokens")
        w, c = F.embedding(ids, self.word), F.embedding(ids, self.context)  # (T, D) each
        seen, weight = w.new_zeros(()), w.new_zeros(T)
        for d in range(1, window + 1):
            near = (window - d + 1) / window
            for middle, side in ((slice(None, -d), slice(d, None)), (slice(d, None), slice(None, -d))):
                seen = seen - near * F.logsigmoid((w[middle] * c[side]).sum(-1)).sum()  # (T-d,) → ()
                weight[middle] += near
        random = w @ F.embedding(negatives, self.context).T  # (T, D) @ (D, n) → (T, n)
        return (seen + k / n * (weight @ F.softplus(random)).sum()) / T  # softplus(x) = −log σ(−x)


class GloVe(_TwoTables):
    """Vectors and biases, and the weighted squares of GloVe (Pennington et al. 2014, equations 8 and 9)."""

    def __init__(self, V: int, D: int):
        super().__init__(V, D)
        self.word_bias, self.context_bias = nn.Parameter(torch.zeros(V)), nn.Parameter(torch.zeros(V))

    def loss(self, rows: Tensor, columns: Tensor, counts: Tensor, most: float = 100.0) -> Tensor:
        """Mean of f(X)·(w·c + b_w + b_c − ln X)² over pairs with counts X > 0, (n,) each; f(X) = min(1, (X/most)^¾)."""
        scores = (F.embedding(rows, self.word) * F.embedding(columns, self.context)).sum(-1)  # (n,)
        error = scores + self.word_bias[rows] + self.context_bias[columns] - counts.log()
        return ((counts / most).clamp_max(1) ** 0.75 * error**2).mean()


def subsample(ids: Tensor, threshold: float, generator: torch.Generator) -> Tensor:
    """Running text (T,) with frequent words thinned out: word w stays with probability √(threshold / its share).

    Mikolov et al. 2013, equation 5.
    """
    share = ids.bincount().double() / len(ids)  # (V,)
    keep = (threshold / share).sqrt()[ids]  # (T,)
    return ids[torch.rand(len(ids), generator=generator, dtype=torch.double) < keep]


def train_skip_gram(
    model: SkipGram, ids: Tensor, steps: int, *, lr: float = 2e-2, window: int = 5, k: float = 5.0,
    threshold: float = 1e-4, T: int = 2048, negatives: int = 256, seed: int = 0,
) -> Iterator[float]:  # fmt: skip
    """Train on running text ids (n,) and yield the loss of each step, so that you can look at the model in between.

    A step takes the next T tokens of the text (thinned out anew in each round through it) and draws `negatives`
    words with probability ∝ count^¾. Adam; the learning rate falls linearly from `lr` to 2% of it.
    """
    require_int("steps", steps)
    require(len(ids) > 0, "ids must hold at least one token")
    generator = torch.Generator().manual_seed(seed)
    noise = ids.bincount(minlength=len(model.word)).double() ** 0.75  # (V,)
    optimiser = torch.optim.Adam(model.parameters(), lr, fused=True)
    pieces: list[Tensor] = []
    for step in range(steps):
        if not pieces:
            text = subsample(ids, threshold, generator)
            require(len(text) > window, f"the text must keep more than {window} tokens once frequent words are thinned out, got {len(text)}")
            pieces = [p for p in text.split(T) if len(p) > window]
            pieces = [pieces[i] for i in torch.randperm(len(pieces), generator=generator).tolist()]
        for group in optimiser.param_groups:
            group["lr"] = lr * max(0.02, 1 - step / steps)
        drawn = torch.multinomial(noise, negatives, replacement=True, generator=generator)
        loss = model.loss(pieces.pop(), drawn, window, k)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


def train_glove(model: GloVe, counts, steps: int, *, lr: float = 0.05, B: int = 32_768, seed: int = 0) -> Iterator[float]:
    """Train on a sparse matrix of counts (V, V), B pairs a step, and yield the losses. Adam; the learning rate falls linearly to 2%."""
    pairs = counts.tocoo()
    rows, columns, X = (torch.from_numpy(x) for x in (pairs.row.astype("int64"), pairs.col.astype("int64"), pairs.data.astype("float32")))
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr, fused=True)
    order = torch.empty(0, dtype=torch.long)
    for step in range(require_int("steps", steps)):
        if not len(order):
            order = torch.randperm(len(X), generator=generator)
        some, order = order[:B], order[B:]
        for group in optimiser.param_groups:
            group["lr"] = lr * max(0.02, 1 - step / steps)
        loss = model.loss(rows[some], columns[some], X[some])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()


class RunningMean(nn.Module):
    """y_t = W · mean(x_1 … x_t): averaging, the simplest way from the vectors of words to the vector of a text.

    layer(x) → y, mean with x (B, T, D_in), y (B, T, D). schedule "loop" adds word by word, "scan" in one sum.
    """

    def __init__(self, D_in: int, D: int, device=None, dtype=None):
        super().__init__()
        self.project = nn.Linear(D_in, D, bias=False, device=device, dtype=dtype)

    def forward(self, x: Tensor, schedule: str = "scan") -> tuple[Tensor, tuple[Tensor, int]]:
        if schedule == "loop":
            state, ys = None, []
            for x_t in x.unbind(1):
                state = self.step(x_t, state)
                ys.append(self.output(state))
            return torch.stack(ys, 1), state  # (B, T, D)
        steps = torch.arange(1, x.shape[1] + 1, device=x.device, dtype=x.dtype)
        total = x.cumsum(1)  # (B, T, D_in)
        return self.project(total / steps[:, None]), (total[:, -1], x.shape[1])

    def step(self, x_t: Tensor, state: tuple[Tensor, int] | None = None) -> tuple[Tensor, int]:
        """The sum so far (B, D_in) and how many words are in it."""
        return (x_t, 1) if state is None else (state[0] + x_t, state[1] + 1)

    def output(self, state: tuple[Tensor, int]) -> Tensor:
        return self.project(state[0] / state[1])  # (B, D)


class WordVectors:
    """Words and their vectors, (V, D), to be asked for likeness (the cosine), neighbours and analogies.

    >>> vectors.neighbours("king", 3)              # [("queen", 0.7), …]
    >>> vectors.analogy("man", "king", "woman")    # man is to king as woman is to …
    """

    def __init__(self, words: Sequence[str], vectors: np.ndarray | Tensor):
        matrix = np.asarray(vectors.detach() if isinstance(vectors, Tensor) else vectors, dtype=np.float32)
        require(matrix.ndim == 2 and len(matrix) == len(words) > 0, f"there must be one vector a word, got {len(words)} words and shape {matrix.shape}")
        self.words, self.index = list(words), {word: i for i, word in enumerate(words)}
        self.unit = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)  # (V, D)

    def __contains__(self, word: str) -> bool:
        return word in self.index

    def __getitem__(self, word: str | Sequence[str]) -> np.ndarray:
        """The vector of a word, (D,), or of several, (n, D), at length 1. Raises InputError for a word that has none."""
        if isinstance(word, str):
            if word not in self.index:
                raise InputError(f"there is no vector for {word!r}; it is too rare here, or not a single word")
            return self.unit[self.index[word]]
        return np.stack([self[one] for one in word])

    def cosine(self, a: str, b: str) -> float:
        """From −1 to 1: how far two words point the same way."""
        return float(self[a] @ self[b])

    def neighbours(self, word: str | np.ndarray, n: int = 8, without: Sequence[str] | None = None) -> list[tuple[str, float]]:
        """The n words nearest to a word (itself left out) or to a vector (D,), with their cosines."""
        vector = self[word] if isinstance(word, str) else word / max(np.linalg.norm(word), 1e-12)
        without = ([word] if isinstance(word, str) else []) if without is None else without
        near = self.unit @ vector  # (V,)
        near[[self.index[w] for w in without]] = -2
        best = np.argsort(-near, kind="stable")[: require_int("n", n)]
        return [(self.words[i], float(near[i])) for i in best]

    def analogy(self, a: str, b: str, c: str, n: int = 1, exclude: bool = True) -> list[tuple[str, float]]:
        """a is to b as c is to …: the words nearest to b − a + c; `exclude` forbids a, b and c as answers."""
        return self.neighbours(self[b] - self[a] + self[c], n, [a, b, c] if exclude else [])

    def solve(self, questions: Sequence[Sequence[str]], offset: float = 1.0, B: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """For each question (a, b, c, d): is d the nearest to c + offset·(b − a), if a, b, c may not be given, and if they may?

        offset 0 asks for the neighbour of c alone (Linzen 2016). Words must have vectors.  # (n,), (n,) of bool
        """
        ids, forbidden, free = np.array([[self.index[word] for word in q] for q in questions]), [], []
        for a, b, c, d in (ids[i : i + B].T for i in range(0, len(ids), B)):
            near = (self.unit[c] + offset * (self.unit[b] - self.unit[a])) @ self.unit.T  # (B, V)
            free.append(near.argmax(1) == d)
            near[np.arange(len(a))[:, None], np.stack((a, b, c), 1)] = -np.inf
            forbidden.append(near.argmax(1) == d)
        return np.concatenate(forbidden), np.concatenate(free)

    def correlation(self, pairs: Sequence[tuple[str, str, float]]) -> tuple[float, int]:
        """Spearman's ρ between cosines and people's ratings of word pairs, and how many pairs have vectors."""
        from scipy.stats import spearmanr

        known = [(self.cosine(a, b), rating) for a, b, rating in pairs if a in self and b in self]
        require(len(known) >= 3, f"a correlation needs at least 3 pairs with vectors, got {len(known)}")
        return float(spearmanr(*zip(*known)).statistic), len(known)

    def weat(self, X: Sequence[str], Y: Sequence[str], A: Sequence[str], B: Sequence[str]) -> tuple[float, float]:
        """Are the words X nearer to A, and Y nearer to B, than the other way round? Effect size and p-value.

        A word's association is its mean cosine with A less that with B; the effect size is the difference of the
        means of X and Y in standard deviations; p is the share of all ways to halve X ∪ Y that differ at least as
        much. Caliskan et al. 2017. Raises InputError unless X and Y hold equally many words, 2 to 8.
        """
        require(len(X) == len(Y) and 2 <= len(X) <= 8, f"X and Y must hold equally many words, 2 to 8, got {len(X)} and {len(Y)}")
        both = self[[*X, *Y]]  # (2n, D)
        s = (both @ self[A].T).mean(1) - (both @ self[B].T).mean(1)  # (2n,)
        n, observed = len(X), s[: len(X)].sum()
        halves = np.array([s[list(half)].sum() for half in combinations(range(2 * n), n)])
        return float((s[:n].mean() - s[n:].mean()) / s.std(ddof=1)), float((halves >= observed - 1e-6).mean())
