"""Part 7's five fields: each model beside the plainest rivals there are, three seeds. Tables: model, metric, score …"""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from course_lib.domains import DOMAINS, code_task, train
from course_lib.models.baselines import NGram
from course_lib.models.convolution import SmallCNN
from course_lib.pretraining import held_out_nats
from course_lib.tasks.images import digits, load_images
from course_lib.tasks.music import VOCABULARY, chorales
from course_lib.tasks.proteins import completion, contact_pairs, contacts
from course_lib.tasks.series import SERIES, Series, forecast, load_series
from course_lib.training import evaluate

__all__ = ["EXPERIMENTS", "forecasts"]


def _row(model: str, score: float, network=None, seconds: float = 0.0, **more) -> dict:
    size = 0 if network is None else sum(p.numel() for p in network.parameters())
    return {"model": model, "score": score, "parameters": size, "seconds": seconds} | more


def _seeded(build, seed: int):
    torch.manual_seed(seed)
    return build()


def images(seed: int = 0, sweep: bool = False) -> pd.DataFrame:
    """Digits by patches: the vision Transformer with and without positions, a CNN, logistic regression; test accuracy."""
    task, rows = digits(part="test", train="train+validation"), []
    models = {"vision Transformer": DOMAINS["images"].build, "without positions": lambda: DOMAINS["images"].build(positions="none"), "CNN": SmallCNN}
    for name, build in models.items():
        model, curves = train("images", seed, progress=False, model=_seeded(build, seed), **({"steps": 1500} if name == "CNN" else {}))
        rows.append(_row(name, evaluate(model, task), model, curves.seconds.iloc[-1]))
    (x, y), (a, b), (x_test, y_test) = (load_images(part) for part in ("train", "validation", "test"))
    logistic = LogisticRegression(max_iter=2000).fit(torch.cat((x, a)).flatten(1), torch.cat((y, b)))
    rows.append(_row("logistic regression", logistic.score(x_test.flatten(1), y_test)) | {"parameters": logistic.coef_.size + 10})
    return pd.DataFrame(rows).assign(metric="accuracy")


def _language(name: str, seed: int, V: int, learnt: list[list[int]], unseen: list[list[int]], orders) -> pd.DataFrame:
    model, curves = train(name, seed, progress=False)
    flat = [t for piece in unseen for t in piece]
    rows = [_row("decoder", held_out_nats(model, torch.tensor(flat)), model, curves.seconds.iloc[-1])]
    for n in orders:
        start = time.perf_counter()
        rows.append(_row(f"{n}-gram", NGram(n, V).fit(learnt).nats(unseen), seconds=time.perf_counter() - start))
    return pd.DataFrame(rows).assign(metric="nats a token")


def music(seed: int = 0, sweep: bool = False) -> pd.DataFrame:
    """Chorales whose tunes were not heard before: the decoder and n-grams of every order that fits."""
    _, learnt, unseen = chorales()
    return _language("music", seed, VOCABULARY, learnt, unseen, range(2, 9))


def code(seed: int = 0, sweep: bool = False) -> pd.DataFrame:
    """Python modules not read before: the decoder and n-grams."""
    _, bpe, learnt, unseen = code_task()
    return _language("code", seed, len(bpe), [learnt], [unseen], range(2, 7))


def forecasts(series: Series, model: torch.nn.Module, horizon: int = 12) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The unseen last fifth, foretold from every step that leaves `horizon` steps to compare with.

    Gives (places of these steps (n,), name → the next `horizon` values (n, horizon)): "truth", "decoder" (a trained
    model of this series), and "no change", "last season", "linear": a least-squares autoregression for
    each step ahead, its number of lags chosen on the last fifth of the training part.
    """
    x, origins = series.values, np.arange(series.split, len(series.values) - horizon)
    T = forecast(series, horizon=horizon).T
    change = np.diff(x)
    spread, mean, deviation = change[: series.split - 1].std(ddof=1), x[: series.split].mean(), x[: series.split].std(ddof=1)
    inputs = np.stack((change / spread, (x[1:] - mean) / deviation), -1)  # (n−1, 2); row t−1 ends at x[t]
    pieces = torch.tensor(np.stack([inputs[o - T : o] for o in origins]), dtype=torch.float32)
    with torch.no_grad():
        ahead = model(pieces)[:, -1].numpy() * spread + x[origins][:, None]  # (n, horizon)
    truth = np.stack([x[origins + h] for h in range(1, horizon + 1)], 1)
    return origins, {"truth": truth, "decoder": ahead, **_rivals(series, origins, horizon)}


def _rivals(series: Series, origins: np.ndarray, horizon: int, most: int = 36) -> dict[str, np.ndarray]:
    x, season = series.values, series.season

    def design(places, p):
        return np.concatenate((np.ones((len(places), 1)), np.stack([x[places - k] for k in range(p)], 1)), 1)

    def predict(fit_to, places, p, h):
        learn = np.arange(most, fit_to - h)
        weights = np.linalg.lstsq(design(learn, p), x[learn + h], rcond=None)[0]
        return design(places, p) @ weights

    inner = round(0.8 * series.split)
    check = np.arange(inner, series.split - horizon)
    lags = min(range(1, most), key=lambda p: np.abs(predict(inner, check, p, horizon // 2) - x[check + horizon // 2]).mean())
    return {
        "no change": np.repeat(x[origins][:, None], horizon, 1),
        "last season": np.stack([x[origins + h - season * -(-h // season)] for h in range(1, horizon + 1)], 1),
        "linear": np.stack([predict(series.split, origins, lags, h) for h in range(1, horizon + 1)], 1),
    }


def time_series(seed: int = 0, sweep: bool = False, horizon: int = 12) -> pd.DataFrame:
    """CO₂ and sunspots: mean absolute error 1 … 12 steps ahead, over the unseen last fifth, in the series' own units."""
    rows = []
    for name in SERIES:
        model, curves = train(name, seed, progress=False)
        _, said = forecasts(load_series(name), model, horizon)
        truth = said.pop("truth")
        for rival, values in said.items():
            own = dict(network=model, seconds=curves.seconds.iloc[-1]) if rival == "decoder" else {}
            for h in (1, horizon // 2, horizon):
                rows.append(_row(rival, np.abs(values - truth)[:, h - 1].mean(), **own, series=name, ahead=h))
    return pd.DataFrame(rows).assign(metric="mean error")


def proteins(seed: int = 0, sweep: bool = False) -> pd.DataFrame:
    """Contacts from a sequence (average precision), and distances from a quarter of them, with and without the triangle."""
    rows, task = [], contacts()
    unseen, named = task.batch(1, held_out=True), dict(task="contacts", metric="average precision")
    truth = unseen.targets[unseen.mask].numpy()
    for name, triangle in (("triangle", True), ("without the triangle", False)):
        model, curves = train("contacts", seed, progress=False, model=_seeded(lambda t=triangle: DOMAINS["contacts"].build(t), seed))
        with torch.no_grad():
            chance = model(unseen.inputs).softmax(-1)[..., 1]  # (n, N, N)
        rows.append(_row(name, average_precision_score(truth, chance[unseen.mask]), model, curves.seconds.iloc[-1], **named))
    rows.append(_row("logistic regression", average_precision_score(truth, _logistic(task)), **named))

    task, pairs = completion(), contact_pairs(14)
    unseen = task.batch(1000, generator=torch.Generator().manual_seed(1), held_out=True)
    can_touch = torch.zeros(14, 14, dtype=torch.bool)
    can_touch[pairs[:, 0], pairs[:, 1]] = True
    asked = unseen.mask & can_touch
    for name, triangle in (("triangle", True), ("without the triangle", False)):
        build = DOMAINS["completion"].build
        model, curves = train("completion", seed, progress=False, model=_seeded(lambda t=triangle, b=build: b(t), seed))
        with torch.no_grad():
            said = torch.cat([model(x) for x in unseen.inputs.split(100)])[..., 0]
        true = unseen.targets[..., 0]
        precision = average_precision_score((true[asked] < 1.01).numpy(), -said[asked].numpy())
        error = (said - true)[unseen.mask].abs().mean().item()
        for metric, score in (("average precision", precision), ("mean error", error)):
            rows.append(_row(name, score, model, curves.seconds.iloc[-1], task="completion", metric=metric))
    return pd.DataFrame(rows)


def _logistic(task) -> np.ndarray:
    """For each pair its own logistic regression on the whole sequence; chances in the order of the mask."""
    generator = torch.Generator().manual_seed(0)
    learn, unseen = task.batch(4000, generator=generator), task.batch(1, held_out=True)
    x, first = np.unique(learn.inputs.numpy(), axis=0, return_index=True)  # each training sequence once
    maps, answers = learn.targets[first].numpy(), np.zeros(unseen.targets.shape)
    for i, j in contact_pairs(x.shape[1]):
        y = maps[:, i, j]
        if y.min() == y.max():
            answers[:, i, j] = y[0]
        else:
            answers[:, i, j] = LogisticRegression(max_iter=500).fit(x, y).predict_proba(unseen.inputs.numpy())[:, 1]
    return answers[unseen.mask.numpy()]


EXPERIMENTS = {"images": images, "music": music, "code": code, "series": time_series, "proteins": proteins}
