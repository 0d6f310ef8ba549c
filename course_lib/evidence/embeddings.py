"""Part 3: vectors of words that count and vectors that are learnt, judged by people's ratings of word pairs."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch

from course_lib.models.baselines import cooccurrence, pmi, ppmi, ppmi_svd
from course_lib.models.embedding import GloVe, SkipGram, WordVectors, subsample, train_glove, train_skip_gram
from course_lib.tasks import Vocabulary, load_corpus, word_pairs

__all__ = ["EXPERIMENTS", "agreement", "ratings"]

RATES, RATE = (2e-3, 5e-3, 1e-2, 2e-2), 2e-2  # of skip-gram; chosen by every other pair of WordSim
GLOVE_RATES, GLOVE_RATE = (2e-2, 5e-2), 5e-2


def ratings() -> dict[str, list[tuple[str, str, float]]]:
    """The rated pairs: WordSim whole, its two halves (every other pair: one to choose settings by, one held out), SimLex."""
    pairs = word_pairs("wordsim")
    return {"wordsim": pairs, "chosen_by": pairs[::2], "held_out": pairs[1::2], "simlex": word_pairs("simlex")}


def agreement(model: SkipGram, ids: torch.Tensor, window: int = 5, k: float = 5.0, threshold: float = 1e-4, least: float = 5.0) -> float:
    """Correlation of w·c with PMI − ln k, over pairs met at least `least` times in ten rounds through the thinned-out text.

    Counted as the model trains: frequent words thinned out, and contexts' shares those of its negatives (∝ count^¾).
    """
    V, generator = len(model.word), torch.Generator().manual_seed(0)
    counts = sum(cooccurrence(subsample(ids, threshold, generator).numpy(), V, window) for _ in range(10))
    noise = ids.bincount(minlength=V).numpy() ** 0.75
    seen = pmi(counts, noise / noise.sum())
    keep = counts.tocoo().data >= least
    w, c = model.word.detach().numpy()[seen.row[keep]], model.context.detach().numpy()[seen.col[keep]]  # (n, D) each
    return float(np.corrcoef((w * c).sum(1), seen.data[keep] - np.log(k))[0, 1])


def embeddings(seed: int = 0, sweep: bool = False, steps: int = 2400, looks: int = 12, D: int = 100) -> pd.DataFrame:
    """Correlations of each kind of vectors with people's ratings, those of the learnt ones at `looks` times.

    Seconds are those of the processor, so that other programs on the machine do not count.
    """
    vocabulary, tests = Vocabulary.of(load_corpus().words), ratings()
    text = vocabulary.encode(load_corpus().words, unknown=True)
    ids, V, rows = torch.from_numpy(text[text >= 0]), len(vocabulary), []
    start = time.process_time()

    def row(name, vectors, lr=0.0, step=0, **more):
        seconds = time.process_time() - start
        found = WordVectors(vocabulary.words, vectors)
        rows.append({"model": name, "lr": lr, "step": step, "seconds": seconds} | {test: found.correlation(pairs)[0] for test, pairs in tests.items()} | more)

    counts = cooccurrence(text, V)
    row("PPMI + SVD", ppmi_svd(counts, D))
    row("PPMI", ppmi(counts).toarray())
    for name, build, train, rates in (
        ("skip-gram", SkipGram, lambda m, lr: train_skip_gram(m, ids, steps, lr=lr, seed=seed), RATES if sweep else (RATE,)),
        ("GloVe", GloVe, lambda m, lr: train_glove(m, counts, steps // 4, lr=lr, seed=seed), GLOVE_RATES if sweep else (GLOVE_RATE,)),
    ):
        all_steps = steps if build is SkipGram else steps // 4
        for lr in rates:
            torch.manual_seed(seed)
            model, losses, start = build(V, D), [], time.process_time()
            for step, loss in enumerate(train(model, lr), 1):
                losses.append(loss)
                if step % max(1, all_steps // looks) and step < all_steps:
                    continue
                paused = time.process_time()
                vectors = model.word if build is SkipGram else model.word + model.context
                fits = agreement(model, ids) if build is SkipGram and step == all_steps else np.nan
                row(name, vectors, lr, step, loss=float(np.mean(losses)), agreement=fits)
                losses = []
                start += time.process_time() - paused  # looking is not learning
    return pd.DataFrame(rows)


EXPERIMENTS = {"embeddings": embeddings}
