"""The five fields' models: pairs and triangles, checkpoints, source code, rivals."""

import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import domains
from course_lib.__main__ import main
from course_lib.checks import InputError
from course_lib.domain_plots import clocks_plot, digits_plot, fold_plot, forecast_plot, piano_roll_plot
from course_lib.evidence import limits
from course_lib.evidence.domains import _rivals, forecasts
from course_lib.models import Encoder, TransformerConfig
from course_lib.models.pairs import PairBlock, PairModel
from course_lib.tasks import proteins
from course_lib.tasks.code import load_code
from course_lib.tasks.music import HIGH, LOW
from course_lib.tasks.proteins import fold_of, ground_states
from course_lib.tasks.series import Series
from course_lib.tasks.synthetic import swaps
from course_lib.training import evaluate

# -- pairs ---------------------------------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 7), st.booleans(), st.integers(0, 2))
def test_answers_about_pairs_are_the_same_both_ways(N, triangle, blocks):
    model = PairModel(N, 6, blocks, 3, D_in=2, triangle=triangle)
    y = model(torch.randn(2, N, N, 2))
    assert y.shape == (2, N, N, 3)
    torch.testing.assert_close(y, y.transpose(1, 2))


@pytest.mark.parametrize("triangle", [True, False])
def test_a_pair_hears_the_sum_over_the_third_bead_or_without_the_triangle_over_any_two(triangle):
    torch.manual_seed(0)
    block, z = PairBlock(4, triangle), torch.randn(1, 5, 5, 4)
    h = block.norm(z)
    a, b, c, e = (block.edges(h) * block.gates(h).sigmoid()).chunk(4, -1)
    heard, beads = torch.zeros(1, 5, 5, 4), range(5)
    for i, j, k, other in itertools.product(beads, beads, beads, beads):
        if not triangle:
            heard[0, i, j] += (a[0, i, k] * b[0, j, other] + c[0, k, i] * e[0, other, j]) / 5
        elif k == other:
            heard[0, i, j] += a[0, i, k] * b[0, j, k] + c[0, k, i] * e[0, k, j]
    expected = z + block.out(block.norm_sum(heard)) * block.out_gate(h).sigmoid()
    torch.testing.assert_close(block(z), expected + block.change(block.norm_change(expected)))


@pytest.mark.parametrize("triangle", [True, False])
def test_a_pair_hears_of_all_pairs_it_shares_a_bead_with(triangle):
    torch.manual_seed(0)
    block, z = PairBlock(4, triangle), torch.randn(1, 5, 5, 4)
    other = z.clone()
    other[0, 0, 1] += torch.randn(4)
    changed = (block(z) - block(other)).abs().sum(-1)[0] > 1e-6  # (5, 5)
    assert changed[0].all()
    assert changed[:, 1].all()
    assert not changed[2:, 2:].any()


def test_the_ablation_has_the_same_weights():
    sizes = [sum(p.numel() for p in PairModel(6, D_in=2, triangle=t).parameters()) for t in (True, False)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PairModel(5), "either an encoder"),
        (lambda: PairModel(5, D_in=2, encoder=Encoder(TransformerConfig(2, 8, 1, 2))), "either an encoder"),
        (lambda: PairModel(5, D_in=2)(torch.randn(1, 4, 4, 2)), "reads 5 beads"),
        (lambda: proteins.completion(share=1.5), "share"),
        (lambda: swaps(5, 9), "things"),
        (lambda: domains.train("poetry"), "name must be one of"),
        (lambda: domains.trained("poetry"), "name must be one of"),
    ],
)
def test_mistakes_get_one_sentence(call, message):
    with pytest.raises(InputError, match=message):
        call()


# -- tasks ---------------------------------------------------------------------------------------------------


def test_contacts_are_split_by_sequence_and_counted_where_beads_can_touch():
    task = proteins.contacts(10)
    learn, unseen = task.batch(500, generator=torch.Generator().manual_seed(0)), task.batch(1, held_out=True)
    seen = {tuple(s) for s in learn.inputs.tolist()}
    assert not seen & {tuple(s) for s in unseen.inputs.tolist()}
    assert not seen & {tuple(s[::-1]) for s in unseen.inputs.tolist()}
    assert unseen.mask[0].sum() == len(proteins.contact_pairs(10))
    assert (unseen.targets == unseen.targets.transpose(1, 2)).all()


def test_completion_tells_some_distances_and_asks_for_the_others():
    batch = proteins.completion(10, share=0.3, limit=600).batch(64, generator=torch.Generator().manual_seed(0))
    told = batch.inputs[..., 0].bool()
    upper = torch.ones(10, 10).triu(1).bool()
    assert torch.equal(batch.inputs[..., 1][told], batch.targets[..., 0][told])
    assert not batch.inputs[..., 1][~told].any()
    assert not (told & batch.mask).any()
    assert ((told | batch.mask) & upper).sum() == 64 * 45
    assert abs(told[:, upper].float().mean() - 0.3) < 0.03


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12), st.integers(2, 5), st.integers(0, 999))
def test_swaps_against_doing_them(T, things, seed):
    import itertools

    batch = swaps(T, things).batch(3, generator=torch.Generator().manual_seed(seed))
    orders = list(itertools.permutations(range(things)))
    for places, answers in zip(batch.inputs.tolist(), batch.targets.tolist()):
        now = list(range(things))
        for place, answer in zip(places, answers):
            now[place], now[place + 1] = now[place + 1], now[place]
            assert orders[answer] == tuple(now)


def test_the_baseline_of_swaps_by_hand():
    assert swaps(1, 3).baseline.value == pytest.approx(1 / 2)
    assert swaps(2, 3).baseline.value == pytest.approx((1 / 2 + 1 / 2) / 2)  # after two: back at the start with chance 1/2


def test_code_is_split_by_module():
    train, unseen = load_code()
    assert len(train) > 5 * len(unseen) > 100_000
    assert "\ndef " in unseen
    assert unseen[:2000] not in train


# -- rivals --------------------------------------------------------------------------------------------------


def test_rivals_are_right_where_they_must_be():
    t = np.arange(400.0)
    season = Series("wave", "m", 12, np.sin(2 * np.pi * t / 12))
    origins = np.arange(season.split, 400 - 6)
    truth = np.stack([season.values[origins + h] for h in range(1, 7)], 1)
    found = _rivals(season, origins, 6)
    np.testing.assert_allclose(found["last season"], truth, atol=1e-9)
    np.testing.assert_allclose(found["linear"], truth, atol=1e-6)
    assert np.abs(found["no change"] - truth).mean() > 0.3
    line = Series("line", "m", 12, t)
    np.testing.assert_allclose(_rivals(line, origins, 6)["linear"], np.stack([t[np.arange(320, 394) + h] for h in range(1, 7)], 1), rtol=1e-6)


# -- checkpoints ---------------------------------------------------------------------------------------------


def test_a_model_is_kept_and_found_again(tmp_path):
    model, curves = domains.train("sunspots", progress=False, steps=4, every=2)
    path = domains.keep("sunspots", model, curves, tmp_path / "m.safetensors")
    again, about = domains.trained("sunspots", path)
    assert about["steps"] == 4
    assert about["command"].endswith("sunspots")
    for a, b in zip(model.parameters(), again.parameters()):
        assert (a - b).abs().max() <= a.abs().max() / 250  # what rounding may do: tests/test_packed.py


def test_a_file_that_is_none_is_told_in_one_sentence(tmp_path):
    (tmp_path / "m.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0garbage!")
    with pytest.raises(InputError, match="is not a trained model of co2"):
        domains.trained("co2", tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="make one with"):
        domains.trained("co2", tmp_path / "none.safetensors")
    model, curves = domains.train("sunspots", progress=False, steps=2, every=2)
    with pytest.raises(InputError, match="is not a trained model of images"):
        domains.trained("images", domains.keep("sunspots", model, curves, tmp_path / "other.safetensors"))


def test_the_command_refuses_an_unknown_name(capsys):
    assert main(["domains", "poetry"]) == 2
    assert "NAME must be one of images, " in capsys.readouterr().err


@pytest.mark.parametrize("name", domains.DOMAINS)
def test_every_field_comes_with_its_model(name):
    model, about = domains.trained(name)
    assert about["command"] == f"python -m course_lib domains {name}"
    assert about["steps"] == domains.DOMAINS[name].steps
    assert ("bpe" in about) == (name == "code")
    assert not model.training


def test_the_shipped_reader_of_digits_is_as_good_as_it_says():
    model, about = domains.trained("images")
    assert evaluate(model, domains.DOMAINS["images"].task()) == pytest.approx(about["score"], abs=0.006)  # two images of 360


# -- forecasts, folds and their pictures ------------------------------------------------------------------------


def test_forecasts_are_in_the_series_own_units():
    series = domains.load_series("sunspots")
    still = lambda x: torch.zeros(*x.shape[:2], 12)  # noqa: E731 — a model that says: no change
    origins, said = forecasts(series, still)
    np.testing.assert_allclose(said["decoder"], said["no change"])
    np.testing.assert_allclose(said["truth"][:, 0], series.values[origins + 1])
    assert {values.shape for values in said.values()} == {(len(origins), 12)}
    assert origins[0] == series.split


def test_a_fold_has_the_contacts_that_were_asked_for():
    sequences, maps = ground_states(10)
    for contact_map in maps[:5]:
        place = fold_of(contact_map)
        gap = np.abs(place[:, None] - place[None]).sum(-1)
        assert (np.diag(gap, 1) == 1).all()
        assert len(np.unique(place, axis=0)) == 10
        apart = np.abs(np.subtract.outer(np.arange(10), np.arange(10)))
        assert ((gap == 1) & (apart > 1)).tolist() == contact_map.bool().tolist()
    crowd = torch.ones(10, 10, dtype=torch.bool)
    with pytest.raises(InputError, match="no path on the lattice has exactly these contacts"):
        fold_of(crowd)


def test_pictures_of_the_fields_say_what_they_show():
    sequences, maps = ground_states(10)
    chance = torch.rand(10, 10)
    assert "3 handwritten digits" in digits_plot(torch.rand(3, 8, 8), [1, 2, 3], [1, 2, 5]).alt
    assert f"{int(maps[0].sum()) // 2} contacts" in fold_plot(sequences[0].tolist(), fold_of(maps[0]), maps[0], chance).alt
    column = [v * (HIGH - LOW + 3) + 20 for v in range(4)]
    assert "Piano roll of 2 quarter notes" in piano_roll_plot(column * 4).alt
    assert "the first 1 by Bach" in piano_roll_plot(column * 4, given=8).alt
    with pytest.raises(InputError, match="no whole column"):
        piano_roll_plot([1, 2, 3])
    series = domains.load_series("sunspots")
    assert "12 foretold by linear" in forecast_plot(series, 200, {"linear": np.zeros(12)}).alt
    curves = {"LSTM": pd.Series([3.0, 2.2], [50, 100])}
    assert "LSTM ends at 2.20" in clocks_plot(curves, {"LSTM": 0.01, "LSTM, step loop": 0.1}).alt


def test_the_readers_of_the_two_clocks_are_of_one_size():
    sizes = [sum(p.numel() for p in model.parameters()) for model in limits._readers(512).values()]
    assert max(sizes) < 1.01 * min(sizes)
    seconds = limits.seconds_a_step(V=20, B=2, T=8, rounds=3)
    assert set(seconds) == {*limits._readers(20), "LSTM, step loop"}
    assert min(seconds.values()) > 0
