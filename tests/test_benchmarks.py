"""The benchmarks that need a GPU run small without one; the table, the file and the picture come out."""

import pandas as pd
import pytest
import torch

from course_lib.measure import Ratio, Timing
from tests.benchmarks import __main__ as command
from tests.benchmarks import c8_notebooks, growth
from tests.benchmarks.bars import Bar
from tests.benchmarks.gpu import share_of


@pytest.mark.parametrize("name", ["g1", "g2", "g3", "g4", "g5"])
@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU they measure, in make bench")
def test_without_a_gpu_they_run_small_and_leave_no_figure(name, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.csv")
    threads = torch.get_num_threads()
    assert command.main([name]) == 0
    torch.set_num_threads(threads)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= 2
    assert all(line.startswith(name.upper()) and line.endswith("dry run") for line in lines)
    assert not (tmp_path / "results.csv").exists()


def test_figures_are_appended_and_drawn(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "results.csv")
    monkeypatch.setattr(command, "HERE", tmp_path)
    monkeypatch.setattr(command, "README", tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"before\n{command.START}old\n{command.END} after\n", encoding="utf-8")
    monkeypatch.setattr("tests.benchmarks.c6_timer.bars", lambda: iter([Bar("C6", "made up", Ratio(1.2, 1.1, 1.3), 1.1, 1.3), Bar("C6", "error", Ratio(2.0, 2.0, 2.0), 1.0, 0.5, at_most=True)]))
    for _ in range(2):
        assert command.main(["c6"]) == 0
    table = pd.read_csv(tmp_path / "results.csv")
    assert table["verdict"].tolist() == ["bar", "short"] * 2
    assert (tmp_path / "results.png").read_bytes().startswith(b"\x89PNG")
    assert "1.200  [1.100, 1.300]" in capsys.readouterr().out
    assert command.main(["c99"]) == 2
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith(" after\n")
    assert "| C6 | made up | 1.2× [1.1, 1.3] | ≥ 1.1× |" in text
    assert "| C6 | error | 2 | ≤ 1 |" in text
    assert "old" not in text


def test_the_readme_shows_the_latest_figures():
    text = command.README.read_text(encoding="utf-8")
    shown = text.split(command.START)[1].split(command.END)[0]
    assert shown == command.readme_table(pd.read_csv(command.RESULTS))


def test_a_share_is_work_over_time_over_peak():
    ratio = share_of(100.0, 50.0, Timing((1.0, 2.0, 0.5), 1.0))
    assert (ratio.median, ratio.low, ratio.high) == (0.5, 0.375, 0.75)


def test_growth_is_measured_fitted_and_drawn():
    table = growth.measure({"T": (8, 16, 32), "N": (1, 2, 4)}, rounds=1)
    assert table["axis"].tolist() == ["T"] * 3 + ["N"] * 3
    layers = table[table["axis"] == "N"]
    assert growth.exponent(layers["value"], layers["flops"]) == pytest.approx(1, abs=0.15)  # the head is there once
    assert (layers["bytes"] / layers["expected_bytes"]).between(0.5, 2).all()
    assert growth.exponent([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
    assert "bytes against N" in growth.draw(table).alt


def test_the_imports_are_timed_in_a_fresh_python():
    seconds = c8_notebooks.importing(rounds=2)
    assert 0 < seconds.low <= seconds.median <= seconds.high
