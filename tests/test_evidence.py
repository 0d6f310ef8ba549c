"""The experiments run small, and the records are complete."""

import argparse

import pandas as pd
import pytest

from course_lib import evidence
from course_lib.checks import InputError
from course_lib.evidence import EXPERIMENTS, live, record, recorded, summary

STAMP = {"seed", "device", "threads", "torch", "date"}


@pytest.fixture
def made_up(monkeypatch):
    def experiment(seed=0, sweep=False):
        rows = [("a", 0.1, 50, 0.9, "finished"), ("a", 0.1, 100 + seed, 1.0, "solved")]
        rows += [("a", 0.2, 200, 0.5, "finished")] if sweep else []
        table = pd.DataFrame(rows, columns=["model", "lr", "step", "score", "outcome"])
        return table.assign(task="t", T=5, seconds=0.123456789 * (seed + 1))

    monkeypatch.setitem(EXPERIMENTS, "made up", experiment)


def test_a_record_is_written_read_and_summed_up(made_up, tmp_path):
    path = record("made up", (0, 1, 2), tmp_path / "new")
    assert [p.name for p in path.parent.iterdir()] == ["made up.csv"]
    table = recorded("made up", path.parent)
    assert set(table.columns) >= STAMP
    assert len(table) == 9
    rows = summary(table).set_index("lr")
    assert rows.loc[0.1, ["seeds", "solved", "step", "score"]].tolist() == [3, 3, 101, 1.0]
    assert rows.loc[0.2, ["seeds", "solved", "step", "score"]].tolist() == [3, 0, 200, 0.5]
    assert rows.loc[0.1, "seconds"] == pytest.approx(0.24691)


def test_live_is_one_seed_without_the_sweep(made_up):
    assert live("made up", seed=7).lr.tolist() == [0.1, 0.1]


def test_the_command(made_up, tmp_path, capsys):
    parser = argparse.ArgumentParser()
    evidence.add_arguments(parser)
    assert evidence.run(parser.parse_args(["made up", "--seeds", "4", "--folder", str(tmp_path)])) == 0
    assert recorded("made up", tmp_path).seed.unique().tolist() == [4]
    assert capsys.readouterr().out == "made up: made up.csv\n"
    with pytest.raises(InputError, match="NAME must be one of gradients, .*; got 'gradient'"):
        evidence.run(parser.parse_args(["made up", "gradient", "--folder", str(tmp_path / "none")]))
    assert not (tmp_path / "none").exists()


def test_what_is_not_recorded_is_said(made_up, tmp_path):
    with pytest.raises(InputError, match="nothing is recorded for made up; run python -m course_lib evidence made up"):
        recorded("made up", tmp_path)
    with pytest.raises(InputError, match="name must be one of gradients"):
        live("nothing")


def test_the_experiments_run_small():
    table = live("recall", T=4, models=["LSTM bias 3"])
    assert table.outcome.unique().tolist() == ["solved"]
    assert live("gradients", T=11, D=4).groupby("model").ratio.first().eq(1).all()
    table = live("surnames", models=["RNN"], steps=1, orders=[1, 2]).set_index("model")
    assert table.nats["2-gram"] < table.nats["1-gram"] < table.nats["RNN"]
    assert table.perplexity["1-gram"] == pytest.approx(19.236, abs=1e-3)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_records_are_complete(name):
    table = recorded(name)
    assert set(table.columns) >= STAMP
    assert set(table.seed) == {0, 1, 2}
    assert not table[sorted(STAMP)].isna().any(axis=None)
