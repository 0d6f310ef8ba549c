"""Pretraining: the recipe, the held-out score, the shipped model, and the command that does it all in a terminal."""

import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from course_lib import pretraining
from course_lib.__main__ import main
from course_lib.checks import InputError
from course_lib.models.bpe import BPE
from course_lib.pretraining import (
    SHIPPED,
    Text,
    held_out_nats,
    load_small,
    ngram_nats,
    pretrain,
    save_small,
    small_decoder,
    write,
)

TINY = ["train", "--steps", "6", "--every", "3", "--width", "16", "--layers", "1", "--heads", "2", "--length", "8", "--batch", "4", "--vocabulary", "258", "--device", "cpu"]


@pytest.fixture(autouse=True)
def short_text(monkeypatch):
    """A text of two lines instead of the corpus: the command learns from it in a moment."""
    words = "the cat sat on the mat and the dog sat on the log. " * 60
    bpe = BPE.train(words, 258)
    text = Text(bpe, torch.tensor(bpe.encode(words)), torch.tensor(bpe.encode(words[:400])), 400)
    monkeypatch.setattr("course_lib.train_command.read_text", lambda V: text)
    return text


def test_it_learns(short_text):
    model = small_decoder(258, 16, 1, 2, 8)
    before = held_out_nats(model, short_text.validation)
    curves = pretrain(model, short_text, 60, B=8, progress=False)
    assert before == pytest.approx(math.log(258), abs=0.1)
    assert held_out_nats(model, short_text.validation) < 0.6 * before
    assert curves["step"].iloc[-1] == 60


def test_the_seed_alone_decides_and_the_global_generator_is_left():
    before = torch.get_rng_state()
    a, b, c = (small_decoder(258, 16, 1, 2, 8, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(a.embedding.weight, b.embedding.weight)
    assert not torch.equal(a.embedding.weight, c.embedding.weight)


@pytest.mark.parametrize("n", [9, 12, 13, 41])
def test_each_held_out_token_is_scored_once_with_half_a_window_before_it(n):
    model = small_decoder(258, 16, 1, 2, T=8, zero_init=False, init_std=0.3)
    ids = torch.randint(258, (n,))
    expected = []
    for t in range(1, 1 + 4 * ((n - 1) // 4)):  # the rest does not fill half a window
        start = 0 if t <= 8 else (t - 5) // 4 * 4
        logits = model(ids[None, start:t])[0, -1]
        expected.append(F.cross_entropy(logits, ids[t]).item())
    assert held_out_nats(model, ids) == pytest.approx(sum(expected) / len(expected), rel=1e-4)


def test_counting_is_scored_on_the_same_text(short_text):
    nats = ngram_nats(short_text, (1, 2, 3))
    assert nats[3] < nats[2] < nats[1] < math.log(258)


def test_it_writes_beyond_its_context(short_text):
    model = small_decoder(258, 16, 1, 2, 8)
    text = write(model, short_text.bpe, "the cat", new=30)
    assert text.startswith("the cat")
    assert text == write(model, short_text.bpe, "the cat", new=30)
    assert len(short_text.bpe.encode("the cat")) + 30 > 8
    with pytest.raises(InputError, match="prompt is empty"):
        write(model, short_text.bpe, "")


def test_a_model_survives_its_file(tmp_path, short_text):
    model = small_decoder(258, 16, 1, 2, 8, zero_init=False)
    save_small(tmp_path / "m.safetensors", model, short_text.bpe, {"command": "x"})
    again, bpe, about = load_small(tmp_path / "m.safetensors")
    assert about == {"command": "x"}
    assert bpe.merges == short_text.bpe.merges
    assert again.config == model.config
    for (name, a), b in zip(model.named_parameters(), again.parameters()):
        assert (a - b).abs().max() <= a.abs().max() / 250, name  # what rounding may do: tests/test_packed.py


def test_files_that_are_none_are_one_sentence(tmp_path):
    with pytest.raises(InputError, match="no file"):
        load_small(tmp_path / "absent.safetensors")
    for name, write_file in (("a", lambda p: p.write_bytes(b"no")), ("b", lambda p: save_file({"x": torch.ones(1)}, p)), ("c", lambda p: save_file({"x": torch.ones(1)}, p, {"about": '{"config": {"V": 9}, "bpe": "{}"}'}))):
        write_file(tmp_path / name)
        with pytest.raises(InputError, match=f"{name} is not a small language model"):
            load_small(tmp_path / name)


def test_the_shipped_model_beats_counting_and_says_what_made_it():
    model, bpe, about = load_small()
    assert SHIPPED.stat().st_size < 1.2e6
    assert about["command"].startswith("python -m course_lib train")
    assert about["nats"] < min(about["ngrams"].values())
    text = "The history of the city begins with the Roman Empire, when it was a small town on the river."
    assert held_out_nats(model, torch.tensor(bpe.encode(text * 6))) < math.log(len(bpe)) - 2


@pytest.mark.skipif(pretraining.load_corpus().note != "", reason="the corpus is not fetched: python -m course_lib fetch corpus")
def test_the_shipped_models_score_is_the_one_it_claims():
    model, bpe, about = load_small()
    ids = torch.tensor(bpe.encode(pretraining.load_corpus().validation[:20_000]))
    assert held_out_nats(model, ids) == pytest.approx(about["nats"], abs=0.15)  # a tenth of the text it was scored on


# -- the command --------------------------------------------------------------------------------------------


def test_the_command_trains_reports_and_writes(tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    arguments = [*TINY, "--out", str(out), "--prompt", "the dog"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    for words in ("weights", "step      6", "On the held-out text", "3-gram", "> the dog", "Model written"):
        assert words in said
    assert load_small(out)[2]["steps"] == 6
    assert "--steps 6" in load_small(out)[2]["command"]


def test_it_goes_on_from_its_checkpoint(tmp_path, capsys):
    run = tmp_path / "run.safetensors"
    assert main([*TINY, "--checkpoint", str(run)]) == 0
    first = capsys.readouterr().out
    assert main([*TINY, "--checkpoint", str(run)]) == 0  # nothing is left to do
    again = capsys.readouterr().out
    assert "step      3" in first
    assert "step      3" not in again
    assert first[first.index("On the held-out") :] == again[again.index("On the held-out") :]
    assert main([*TINY, "--checkpoint", str(run), "--lr", "1e-3"]) == 2
    assert "another lr" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["--steps", "0"], "steps must be ≥ 1"), (["--steps", "x"], "invalid int"), (["--vocabulary", "9"], "vocabulary must be ≥ 256"),
        (["--width", "15"], "divisible by H"), (["--out", "model.bin"], ".safetensors"), (["--out", "/nowhere/m.safetensors"], "cannot write"),
        (["--vocabulary", "999"], "258 tokens only"), (["--prompt", ""], "prompt is empty"), (["--device", "abacus"], "device must be"),
        (["--lr", "-1"], "lr must be"), (["--start", "0"], "init_std must be"), (["--threads", "0"], "threads must be"), (["--length", "1"], "length must be"), (["--seed", "a"], "invalid int"),
    ],
)  # fmt: skip
def test_bad_arguments_are_one_sentence(arguments, what, capsys):
    assert main([*TINY, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert what in error
    assert len(error.splitlines()) == 1


def test_two_processes_train_as_one(tmp_path):
    """Under torchrun each rank takes half of the batch; the weights end up the same (up to the order of sums)."""
    command = ["-m", "course_lib", *TINY[:-4], "--vocabulary", "256", "--device", "cpu", "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent), "COURSE_CACHE": str(tmp_path), "OMP_NUM_THREADS": "1"}
    runs = [[sys.executable], [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]]
    scores = []
    for start in runs:
        done = subprocess.run([*start, *command], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=180)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("On the held-out text") == 1
        scores.append(float(done.stdout.split("On the held-out text: ")[1].split()[0]))
    assert scores[0] == pytest.approx(scores[1], abs=2e-3)


def test_a_text_that_is_too_short_or_a_model_of_another_vocabulary(short_text):
    model = small_decoder(258, 16, 1, 2, 8)
    with pytest.raises(InputError, match="more than T_max"):
        held_out_nats(model, short_text.validation[:8])
    with pytest.raises(InputError, match="V = 300"):
        pretrain(small_decoder(300, 16, 1, 2, 8), replace(short_text), 1)
