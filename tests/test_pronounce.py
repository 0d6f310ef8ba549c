"""Letters to sounds: the dictionary's task, the encoder-decoder that learns it, and Part 5's other experiments run small."""

import pytest
import torch

from course_lib.checks import InputError
from course_lib.data import DataMissing, available
from course_lib.evidence import decoders
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.bpe import BPE
from course_lib.pretraining import Text
from course_lib.tasks import pronounce
from course_lib.training import evaluate, fit

DICTIONARY = """'em AH0 M
a(2) EY1
ab AE1 B
ab(2) AE1 B
ab(3) EY1 B IY1 # letters
ba B AA1
bab B AE1 B
abba AE1 B AH0
unreadablylong B
""" + "".join(f"{a}{b}{c} {a.upper()}1 {b.upper()} {c.upper()}0\n" for a in "ae" for b in "bdg" for c in "aei")  # fmt: skip


@pytest.fixture
def words(tmp_path, monkeypatch):
    file = tmp_path / "cmudict.dict"
    file.write_text(DICTIONARY, encoding="utf-8")
    monkeypatch.setattr(pronounce, "open_file", lambda name, member: file)
    return pronounce.load_spellings(most_letters=6, validation=0.2)


def test_the_dictionary_is_read_as_it_is_meant(words):
    everything = words.train | words.validation
    assert len(everything) == 4 + 18
    assert not set(words.train) & set(words.validation)
    assert everything["ab"] == [("AE", "B"), ("EY", "B", "IY")]  # stress left out, so the second is the first again
    assert "em" not in everything
    assert words.sounds[:3] == ("", "▶", "■")
    assert words.longest == (6, 4)


def test_a_batch_is_letters_then_sounds(words):
    task = pronounce.pronunciation(words)
    batch = task.batch(64, generator=torch.Generator().manual_seed(0))
    for inputs, targets, mask in zip(*batch):
        word = words.characters.decode(i for i in inputs[:6] if i)
        way = words.train[word][0]
        assert targets[6:][mask[6:]].tolist()[-1] == pronounce.END
        assert words.spoken(targets[6:]) == way
        assert inputs[6] == pronounce.BEGIN
        assert words.spoken(inputs[7:]) == way
        assert mask.sum() == len(way) + 1
        assert not mask[:6].any()
    held = {words.characters.decode(i for i in row[:6] if i) for row in task.batch(200, held_out=True).inputs}
    assert held == set(words.validation)


def test_an_encoder_decoder_learns_it_and_speaks(words):
    task = pronounce.pronunciation(words)
    torch.manual_seed(0)
    model = decoders.Pronouncer(words, D=32, N=1, H=2)
    assert evaluate(model, task) > task.baseline.value
    fit(model, task, 120, lr=1e-2, B=32, progress=False)
    known = list(words.train)
    said = model.say(words, known)
    assert sum(sounds == words.train[word][0] for word, sounds in zip(known, said)) >= 0.9 * len(known)
    assert 0 <= decoders.exactly_right(model, words, list(words.validation)) <= 1
    sounds, weights = model.alignment(words, "abba")
    assert weights.shape == (max(1, len(sounds)), 4)
    torch.testing.assert_close(weights.sum(1), torch.ones(len(weights)))
    # a longer batch mate, and so more padding, changes nothing
    assert model.say(words, ["ab"]) == model.say(words, ["ab", "abba"])[:1]


def test_wrong_words_get_a_sentence(words, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="a word must have 1 to 6 letters"):
        words.letters(["abababa"])
    with pytest.raises(InputError, match="a word must have 1 to 6 letters"):
        words.letters([""])
    with pytest.raises(InputError, match="'é' is not in the vocabulary"):
        words.letters(["é"])
    with pytest.raises(InputError, match="validation must lie between 0 and 1"):
        pronounce.load_spellings(validation=1.0)
    monkeypatch.undo()
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    with pytest.raises(DataMissing, match="fetch phonemes"):
        pronounce.load_spellings()


@pytest.mark.skipif(not available("phonemes"), reason="the dictionary is not fetched: python -m course_lib fetch phonemes")
def test_the_real_dictionary():
    words = pronounce.load_spellings()
    assert len(words.train) + len(words.validation) > 100_000
    assert len(words.sounds) == 3 + 39  # the ARPAbet without stress
    assert {**words.train, **words.validation}["knight"] == [("N", "AY", "T")]


# -- Part 5's other experiments, small ---------------------------------------------------------------------------


def test_repeating_asks_for_what_was_read():
    task = decoders.repeating(5)
    batch = task.batch(4)
    assert torch.equal(batch.targets[:, 5:], batch.inputs[:, :5])
    assert torch.equal(batch.inputs[:, 6:], batch.targets[:, 5:-1])
    assert (batch.inputs[:, 5] == 0).all()
    for name in ("Transformer", "LSTM", "GRU"):
        model = decoders.copier(name)
        assert 70_000 < sum(p.numel() for p in model.parameters()) < 130_000
        assert abs(task.loss(model(batch.inputs), batch).item() - 3.3) < 0.6  # near ln 26
    table = decoders.copying_task(T=3, steps=25, models=["Transformer"])
    assert table[["model", "T", "lr"]].iloc[0].tolist() == ["Transformer", 3, 3e-3]


def test_how_a_model_writes_is_told_in_numbers():
    assert decoders._repeated([1, 2, 3, 4, 5, 6]) == 0
    assert decoders._repeated([1] * 8) == pytest.approx(0.8)
    bpe = BPE.train("a cat and a rat sat on a mat and a hat " * 40, 280)
    ids = torch.tensor(bpe.encode("a cat and a rat sat on a mat and a hat " * 40))
    text = Text(bpe, ids, ids, 1000)
    assert decoders.writer(text).config.T_max == 128
    model = Decoder(TransformerConfig(V=text.V, D=16, N=1, H=2, T_max=128, positions="rotary"))
    ways = decoders.ways_of_writing(model, text, prompts=2, new=12)
    assert ways.index.tolist() == ["greedy", "8 beams", "sampled", "top-p 0.9", "people"]
    assert ways.surprise["8 beams"] < ways.surprise["sampled"]
    found = decoders.drift(model, text, texts=3)
    assert found.loc["people", "early"] < found.loc["its own", "early"]


def test_what_a_token_costs_is_told_for_every_position():
    table = decoders.seconds_a_token(T=32, rounds=1, V=50)
    assert (table.groupby("model").size() == 32).all()
    assert (table.seconds > 0).all()
    kept = table.set_index(["model", "position"]).bytes
    assert kept["with cache", 32] == 2 * 2 * 128 * 4 * 32
    assert kept["LSTM", 1] == kept["LSTM", 32] == 4 * 2 * 2 * 157
    weights = table.attrs["weights"]
    assert abs(weights["LSTM"] / weights["decoder"] - 1) < 0.05
