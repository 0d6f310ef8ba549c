"""fit: an interrupted run equals an uninterrupted one; goals, stops, checkpoints, and plain sentences."""

import threading
import time
from dataclasses import replace

import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from course_lib import training
from course_lib.checks import InputError
from course_lib.models import GRU, LSTM, RNN
from course_lib.models.heads import SequenceModel
from course_lib.tasks import adding, copying, delayed_recall, parity, temporal_xor
from course_lib.training import evaluate, fit


class WithDropout(nn.Module):
    """A model whose training draws from the global generator too."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.model, self.dropout = SequenceModel(RNN(4, 8), 8, embed=2), nn.Dropout(0.3)
        self.head = nn.Linear(8, 2)

    def forward(self, ids):
        return self.head(self.dropout(self.model(ids)))


SETTINGS = {"T": (3, 9), "B": 8, "every": 10, "progress": False, "lr": 3e-3, "warmup": 5, "decay": "linear", "weight_decay": 0.1}
COLUMNS = ["step", "loss", "gradient", "score"]  # all but the seconds


def weights(model):
    return {name: x.clone() for name, x in model.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.fixture(scope="module")
def uninterrupted():
    model = WithDropout()
    return fit(model, parity(9), 60, **SETTINGS), weights(model)


def test_curves_are_tidy_and_repeat(uninterrupted):
    curves, final = uninterrupted
    assert list(curves.columns) == ["step", "seconds", "loss", "gradient", "score"]
    assert curves.step.tolist() == [10, 20, 30, 40, 50, 60]
    assert curves.seconds.is_monotonic_increasing
    assert curves.attrs == {"task": "parity", "metric": "accuracy", "outcome": "finished"}
    model = WithDropout()
    again = fit(model, parity(9), 60, **SETTINGS)
    pd.testing.assert_frame_equal(again[COLUMNS], curves[COLUMNS], check_exact=True)
    assert equal(weights(model), final)


@pytest.mark.parametrize("interruptions", [[20], [7, 33], [10, 10, 59]])
def test_resumed_equals_uninterrupted(uninterrupted, tmp_path, interruptions):
    class After(threading.Event):
        """An event that sets itself at the n-th look."""

        def __init__(self, looks):
            super().__init__()
            self.looks = looks

        def is_set(self):
            self.looks -= 1
            return self.looks < 0

    path, done = tmp_path / "deep" / "run.safetensors", 0
    for step in interruptions:
        part = fit(WithDropout(seed=step), parity(9), 60, checkpoint=path, stop=After(step - done), **SETTINGS) if done else fit(WithDropout(), parity(9), 60, checkpoint=path, stop=After(step), **SETTINGS)
        assert part.attrs["outcome"] == "stopped"
        assert len(part) == step // 10
        done = step
    model = WithDropout(seed=99)  # its weights come from the checkpoint
    curves = fit(model, parity(9), 60, checkpoint=path, **SETTINGS)
    expected, final = uninterrupted
    pd.testing.assert_frame_equal(curves[COLUMNS], expected[COLUMNS], check_exact=True)
    assert curves.seconds.is_monotonic_increasing
    assert equal(weights(model), final)
    assert [p.name for p in path.parent.iterdir()] == ["run.safetensors"]


def test_a_finished_run_is_only_read_and_can_be_lengthened(tmp_path):
    settings = {"B": 8, "every": 10, "progress": False, "checkpoint": tmp_path / "run.safetensors"}
    model = WithDropout()
    first = fit(model, parity(5), 20, **settings)
    other = WithDropout(seed=1)
    again = fit(other, parity(5), 20, **settings)
    pd.testing.assert_frame_equal(first, again)
    assert equal(weights(model), weights(other))
    assert fit(other, parity(5), 40, **settings).step.tolist() == [10, 20, 30, 40]


def test_a_crash_while_writing_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "run.safetensors"
    settings = {"B": 8, "every": 10, "progress": False, "checkpoint": path}
    fit(WithDropout(), parity(5), 10, **settings)
    before = path.read_bytes()

    def crash(*args):
        raise OSError("disk full")

    monkeypatch.setattr(training.os, "fsync", crash)
    with pytest.raises(OSError, match="disk full"):
        fit(WithDropout(), parity(5), 20, **settings)
    assert path.read_bytes() == before
    monkeypatch.undo()
    assert fit(WithDropout(), parity(5), 20, **settings).step.tolist() == [10, 20]


def test_checkpoints_hold_tied_weights_and_no_pickle(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(2, 4), nn.Linear(4, 2, bias=False)
            self.head.weight = nn.Parameter(torch.randn(2, 4))
            self.embedding.weight = self.head.weight

        def forward(self, ids):
            return self.head(self.embedding(ids))

    path = tmp_path / "run.safetensors"
    fit(Tied(), parity(5), 4, checkpoint=path, progress=False)
    assert "model.head.weight" in safetensors.torch.load(path.read_bytes())
    assert fit(Tied(), parity(5), 8, checkpoint=path, progress=False).step.tolist() == [4, 8]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": 1e-2}, "run.safetensors is the checkpoint of a run with another lr; choose another file or delete it"),
        ({"seed": 1, "B": 4}, "with another seed, B;"),
        ({"task": temporal_xor(5)}, "with another task;"),
        ({"model": SequenceModel(GRU(4, 8), 2, embed=2)}, "run.safetensors holds the weights of another model"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(tmp_path, change, message):
    path = tmp_path / "run.safetensors"
    base = {"model": SequenceModel(RNN(4, 8), 2, embed=2), "task": parity(5), "steps": 5, "B": 8, "checkpoint": path, "progress": False}
    fit(**base)
    model = change.get("model", base["model"])
    before = weights(model)
    with pytest.raises(InputError, match=message):
        fit(**(base | change))
    assert equal(weights(model), before)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", safetensors.torch.save({"a": torch.zeros(2)})])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "mine.safetensors"
    path.write_bytes(content)
    with pytest.raises(InputError, match="mine.safetensors is not a checkpoint of fit; choose another file or delete it"):
        fit(WithDropout(), parity(5), 5, checkpoint=path, progress=False)
    assert path.read_bytes() == content


def test_it_learns_and_ends_at_the_goal():
    torch.manual_seed(0)
    model = SequenceModel(LSTM(8, 16), 8, embed=16)
    curves = fit(model, delayed_recall(4), 1000, lr=1e-2, goal=True, progress=False)
    assert curves.attrs["outcome"] == "solved"
    assert curves.step.iloc[-1] < 1000
    assert curves.score.iloc[-1] >= 0.99
    assert (curves.score.iloc[:-1] < 0.99).all()
    assert evaluate(model, delayed_recall(4)) >= 0.98


def test_a_goal_of_ones_own():
    torch.manual_seed(0)
    curves = fit(SequenceModel(RNN(2, 8), 1), adding(4), 2000, lr=1e-2, goal=0.1, every=5, progress=False)
    assert curves.attrs["outcome"] == "solved"
    assert curves.score.iloc[-1] <= 0.1
    assert (curves.score.iloc[:-1] > 0.1).all()


def test_rows_reach_the_callback_and_nothing_is_printed(capfd):
    rows = []
    curves = fit(WithDropout(), parity(5), 25, every=10, callback=rows.append, progress=False)
    assert rows == curves.to_dict("records")
    assert [row["step"] for row in rows] == [10, 20, 25]
    assert capfd.readouterr() == ("", "")


def test_the_bar_moves_no_more_than_twice_a_second(monkeypatch):
    """Each move is messages to the page; a checker that reads them only when a cell has ended loses its last ones after some thousand."""
    moves = []

    class Counted(training.tqdm):
        def display(self, *args, **kwargs):
            moves.append(time.perf_counter())
            return super().display(*args, **kwargs)

    def slow(B, T, generator):
        time.sleep(0.02)
        return parity(5).draw(B, T, generator)

    monkeypatch.setattr(training, "tqdm", Counted)
    fit(WithDropout(), replace(parity(5), draw=slow), 60, B=8, every=1000)
    spent = moves[-1] - moves[0]
    assert len(moves) >= 2  # it is shown at all
    assert len(moves) <= 3 + spent / 0.5  # the first, the last and the one with its score


def test_a_stop_from_another_thread_ends_the_run():
    stop, started, result = threading.Event(), threading.Event(), []

    def work():
        result.append(fit(WithDropout(), parity(9), 10**6, stop=stop, every=5, callback=lambda row: started.set(), progress=False))

    worker = threading.Thread(target=work)
    worker.start()
    assert started.wait(10)
    stop.set()
    worker.join(2)
    assert not worker.is_alive()
    assert result[0].attrs["outcome"] == "stopped"
    assert len(result[0]) >= 1


def test_the_readers_generator_and_the_models_mode_are_kept():
    torch.manual_seed(7)
    model = WithDropout(seed=7)
    before = torch.get_rng_state()
    fit(model, parity(5), 10, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    model.eval()
    evaluate(model, parity(5))
    assert not model.training


def step_lengths(steps=1, **settings):
    """The largest change of any weight at each step."""
    torch.manual_seed(0)
    model = SequenceModel(RNN(4, 8), 8, embed=9)
    course = [weights(model)]
    fit(model, copying(3), steps, every=1, callback=lambda row: course.append(weights(model)), progress=False, **settings)
    return [max((new[name] - old[name]).abs().max().item() for name in new) for old, new in zip(course, course[1:])]


def test_learning_rate_and_its_schedule():
    assert step_lengths(lr=1e-3) == pytest.approx([1e-3], rel=1e-2)  # Adam's first step is lr long, whatever the gradient
    assert step_lengths(lr=1e-3, clip=None) == pytest.approx([1e-3], rel=1e-2)
    assert step_lengths(lr=1e-3, warmup=4) == pytest.approx([0.25e-3], rel=1e-2)
    falling, constant = (step_lengths(20, lr=1e-3, decay=decay) for decay in ("linear", "none"))
    assert falling[0] == constant[0]
    assert falling[-1] < 0.2 * constant[-1]


def test_clipping_bounds_what_adam_sees():
    # a clip far below Adam's epsilon (1e-8) leaves next to no step; the recorded norm is the one before
    assert step_lengths(lr=1e-3, clip=1e-12)[0] < 1e-6
    curves = fit(WithDropout(), parity(5), 5, clip=1e-12, progress=False)
    assert curves.gradient.iloc[0] > 1e-3


def test_divergence_is_an_outcome(tmp_path):
    class Exploding(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(float("inf")))

        def forward(self, x):
            return x[..., :1] * self.weight

    path = tmp_path / "run.safetensors"
    curves = fit(Exploding(), adding(4), 100, every=5, checkpoint=path, progress=False)
    assert curves.attrs["outcome"] == "diverged"
    assert curves.step.tolist() == [5]
    assert not path.exists()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_too(tmp_path):
    settings = {"device": "cuda", "checkpoint": tmp_path / "run.safetensors", "every": 10, "progress": False}
    fit(WithDropout(), parity(9), 20, **settings)
    assert len(fit(WithDropout(), parity(9), 40, **settings)) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be ≥ 1, got 0"),
        ({"B": 0}, "B must be ≥ 1, got 0"),
        ({"every": 0}, "every must be ≥ 1, got 0"),
        ({"lr": 0.0}, "lr must be a positive number, got 0.0"),
        ({"lr": float("nan")}, "lr must be a positive number, got nan"),
        ({"clip": -1.0}, "clip must be positive or None, got -1.0"),
        ({"decay": "cosine"}, "decay must be one of none, linear; got 'cosine'"),
        ({"T": (9, 3)}, r"T must be a range \(low, high\), got \(9, 3\)"),
        ({"T": 0}, "T must be ≥ 1, got 0"),
        pytest.param({"device": "cuda"}, "device is cuda, but this machine has no GPU", marks=pytest.mark.skipif(torch.cuda.is_available(), reason="has one")),
        ({"T": (1, 2, 3)}, r"T must be a length or a range \(low, high\), got \(1, 2, 3\)"),
    ],
)
def test_wrong_values_get_one_sentence(change, message):
    with pytest.raises(InputError, match=message):
        fit(**({"model": WithDropout(), "task": parity(5), "steps": 3, "progress": False} | change))
