"""Images, series, chorales and lattice proteins as tasks: shapes, splits, and facts known by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.data import available
from course_lib.models import Decoder, Encoder, TransformerConfig
from course_lib.models.adapter import Adapter
from course_lib.tasks import images, music, proteins, series
from course_lib.training import fit

needs_chorales = pytest.mark.skipif(not available("chorales"), reason="the chorales are not fetched: python -m course_lib fetch chorales")


# -- the adapter ---------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(1, 5), st.booleans())
def test_an_adapter_answers_every_token_or_once(D_in, T, D_out, pool):
    model = Adapter(D_in, Encoder(TransformerConfig(None, 8, 1, 2, T_max=9)), D_out, pool)
    assert model(torch.randn(2, T, D_in)).shape == (2, 1 if pool else T, D_out)


def test_an_adapter_over_a_decoder_sees_no_future():
    model, x = Adapter(2, Decoder(TransformerConfig(None, 8, 2, 2, T_max=9)), 3), torch.randn(1, 9, 2)
    y = x.clone()
    y[:, 5:] += 1
    torch.testing.assert_close(model(x)[:, :5], model(y)[:, :5])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Adapter(2, Encoder(TransformerConfig(5, 8, 1, 2)), 3), "V=None"),
        (lambda: Adapter(2, Encoder(TransformerConfig(None, 8, 1, 2)), 3)(torch.randn(1, 4, 5)), "width 2"),
        (lambda: images.patches(torch.randn(1, 8, 8), 3), "size must divide"),
        (lambda: images.patches(torch.randn(8, 8)), r"\(B, Y, X\)"),
        (lambda: images.load_images("all"), "part must be one of"),
        (lambda: series.load_series("gold"), "name must be one of co2, sunspots"),
        (lambda: series.forecast(series.load_series("co2"), T=5), "T must be ≥ 13"),
        (lambda: series.forecast(series.load_series("sunspots"), T=240), "must be below"),
        (lambda: proteins.paths(40), "4 … 18"),
        (lambda: proteins.folds(6, least_contacts=30), "least_contacts"),
        (lambda: music.sound([], quarters_a_minute=0), "quarters_a_minute"),
    ],
)
def test_mistakes_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


# -- images --------------------------------------------------------------------------------------------------


def test_patches_by_hand():
    image = torch.arange(16.0).view(1, 4, 4)
    assert images.patches(image)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]


def test_the_parts_of_the_digits_share_no_image():
    parts = [images.load_images(name) for name in ("train", "validation", "test")]
    assert [len(x) for x, _ in parts] == [1077, 360, 360]
    every = torch.cat([x.flatten(1) for x, _ in parts])
    assert len(every.unique(dim=0)) == 1797  # no image is in two parts, nor twice in one
    assert all((y.bincount() > 0.08 * len(y)).all() for _, y in parts)


def test_held_out_digits_are_all_of_them_once():
    batch = images.digits(part="test").batch(5, held_out=True)
    assert batch.inputs.shape == (360, 16, 4)
    assert batch.targets.shape == (360, 1)


def test_a_small_vision_transformer_learns():
    torch.manual_seed(0)
    model = Adapter(4, Encoder(TransformerConfig(None, 32, 1, 2, 16)), 10, pool=True)
    curves = fit(model, images.digits(), 200, lr=1e-2, every=200, progress=False)
    assert curves.score.iloc[-1] > 0.6


# -- series --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(series.SERIES))
def test_targets_are_later_numbers_minus_the_present(name):
    s = series.load_series(name)
    task = series.forecast(s, T=24, horizon=3)
    spread = np.diff(s.values)[: s.split].std(ddof=1)
    batch = task.batch(64, generator=torch.Generator().manual_seed(0))
    steps = batch.inputs[..., 0].double() * spread  # (B, T): the changes
    torch.testing.assert_close(batch.targets[:, :-1, 0].double() * spread, steps[:, 1:], rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(batch.targets[:, :-2, 1].double() * spread, steps[:, 1:-1] + steps[:, 2:], rtol=1e-4, atol=1e-3)
    assert not batch.mask[:, : s.season].any()
    assert batch.mask[:, s.season :].all()


@pytest.mark.parametrize("name", list(series.SERIES))
def test_training_pieces_know_nothing_of_the_unseen_end(name):
    s = series.load_series(name)
    before = series.forecast(s, T=24, horizon=6)
    other = series.Series(s.name, s.unit, s.season, np.concatenate([s.values[: s.split], 1e6 * np.ones(len(s.values) - s.split)]))
    after = series.forecast(other, T=24, horizon=6)
    for a, b in zip(*(task.batch(200, generator=torch.Generator().manual_seed(1)) for task in (before, after))):
        assert torch.equal(a, b)


def test_the_series_are_what_they_say():
    co2, spots = series.load_series("co2"), series.load_series("sunspots")
    assert (len(co2.values), co2.season) == (526, 12)
    assert 313 < co2.values.min() < co2.values.max() < 375
    assert len(spots.values) == 309
    assert np.isfinite(co2.values).all()


# -- music ---------------------------------------------------------------------------------------------------

SCORE = """<score-partwise><part-list>{names}</part-list>{parts}</score-partwise>"""
PART = """<part id="P{i}"><measure><attributes><divisions>2</divisions><key><fifths>1</fifths></key></attributes>
<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>2</duration></note>
<note><rest/><duration>1</duration></note>
<note><pitch><step>{step}</step><alter>1</alter><octave>{octave}</octave></pitch><duration>1</duration></note>
<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>12</duration><tie type="start"/></note>
<note><pitch><step>{step}</step><octave>{octave}</octave></pitch><duration>4</duration><tie type="stop"/></note>
</measure></part>"""


def test_a_score_becomes_tokens_and_a_piano_roll():
    from xml.etree import ElementTree

    names = "".join(f'<score-part id="P{i}"><part-name>{v}</part-name></score-part>' for i, v in enumerate(music.VOICES))
    voices = zip("GDBG", (4, 4, 3, 3))
    parts = "".join(PART.format(i=i, step=step, octave=octave) for i, (step, octave) in enumerate(voices))
    tokens = music._tokens(ElementTree.fromstring(SCORE.format(names=names, parts=parts)))
    assert tokens[-1] == music.END
    roll = music.piano_roll(tokens)
    assert roll.shape == (20, 4)
    # one sharp: G major moves to C, a fifth down or a fourth up, whichever is nearer
    assert roll[:5, 0].tolist() == [72, -72, 0, 73, 72]
    assert (roll[5:, 0] == -72).all()  # held on, across the tie too
    assert roll[0].tolist() == [72, 67, 64, 60]


@needs_chorales
def test_the_chorales_are_in_one_key_and_in_order():
    pieces = music.load_chorales()
    assert len(pieces) > 350
    for piece in pieces[::40]:
        assert len(piece) % 4 == 1
        assert [t // music.SYMBOLS for t in piece[:-1]] == [0, 1, 2, 3] * (len(piece) // 4)
    notes = np.concatenate([np.abs(music.piano_roll(p)).flatten() for p in pieces])
    counts = np.bincount(notes[notes > 0] % 12, minlength=12)
    assert counts[[0, 2, 4, 5, 7, 9, 11]].sum() > 0.9 * counts.sum()  # white keys


@needs_chorales
def test_held_out_chorales_are_not_trained_on():
    task, train, unseen = music.chorales(T=16)
    assert not {tuple(p) for p in train} & {tuple(p) for p in unseen}
    tunes = [{tuple(t for t in p[:-1:4] if t < music.HOLD)[:8] for p in part} for part in (train, unseen)]
    assert not tunes[0] & tunes[1]
    assert len(train) + len(unseen) == len(music.load_chorales())
    assert task.baseline.value > 2


def test_a_voice_out_of_turn_ends_the_piece():
    good = [music.SYMBOLS * v + 20 for v in range(4)]
    assert len(music.piano_roll(good + good)) == 2
    assert len(music.piano_roll(good + [good[1]] + good)) == 1
    assert music.piano_roll([music.END]).shape == (0, 4)


def test_the_sound_has_the_pitch_it_should():
    a4 = [music.SYMBOLS * v + (69 - music.LOW if v == 0 else music.REST) for v in range(4)]
    hold = [music.SYMBOLS * v + (music.HOLD if v == 0 else music.REST) for v in range(4)]
    samples = music.sound(a4 + hold * 7, rate=8000)
    spectrum = np.abs(np.fft.rfft(samples))
    assert abs(np.fft.rfftfreq(len(samples), 1 / 8000)[spectrum.argmax()] - 440) < 2
    assert np.abs(samples).max() <= 1


# -- proteins ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("N", "count"), [(4, 5), (5, 13), (6, 36), (7, 98), (14, 110_188)])
def test_the_number_of_paths(N, count):
    """Self-avoiding walks of N−1 steps up to symmetry: (c + 4) / 8, c = 36, 100, 284, 780 … (OEIS A001411, A037245)."""
    walks = proteins.paths(N)
    assert len(walks) == count
    steps = np.abs(np.diff(walks, axis=1)).sum(-1)
    assert (steps == 1).all()
    some = walks[:: max(1, count // 50)]
    assert all(len({tuple(p) for p in walk.tolist()}) == N for walk in some)


def test_contacts_by_hand():
    square = np.array([[(0, 0), (1, 0), (1, 1), (0, 1)], [(0, 0), (1, 0), (2, 0), (3, 0)]], np.int8)
    assert proteins.contact_pairs(4).tolist() == [[0, 3]]
    assert proteins._contacts(square)[:, 0].tolist() == [True, False]


def test_ground_states_against_trying_everything():
    sequences, maps = proteins.ground_states(8)
    every = {tuple(m) for m in proteins._contacts(proteins.paths(8)).tolist()}
    pairs, known = proteins.contact_pairs(8), {tuple(s): m for s, m in zip(sequences.tolist(), maps)}
    for code in range(0, 256, 5):
        s = [(code >> i) & 1 for i in range(8)]
        energies = sorted(((sum(s[i] & s[j] for (i, j), c in zip(pairs, m) if c), m) for m in every), reverse=True)
        alone = energies[0][0] > energies[1][0]
        assert (tuple(s) in known) == alone
        if alone:
            assert [bool(known[tuple(s)][i, j]) for i, j in pairs] == list(energies[0][1])


def test_distances_of_folds_obey_the_triangle():
    d = proteins.folds(10, 3, limit=20)
    through = (d[:, :, :, None] + d.transpose(1, 2)[:, None].transpose(2, 3)).min(2)[0]  # the way round by any third bead
    assert (d <= through + 1e-4).all()
    assert torch.allclose(d.diagonal(dim1=1, dim2=2), torch.zeros(20, 10), atol=1e-4)
