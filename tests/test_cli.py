"""The command line: exit status 0, 2 or 130, one sentence for a mistake, and no notebook stack where none is needed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from course_lib.__main__ import COMMANDS, main
from course_lib.race import load_race
from course_lib.race import run as race_run

TINY = ["race", "--lengths", "4,8", "--batch", "1", "--width", "8", "--heads", "2", "--device", "cpu", "--threads", "1"]


def python(*args, hidden=(), folder=None):
    """Run Python with some packages made unimportable."""
    hide = f"import sys\nfor name in {list(hidden)!r}:\n    sys.modules[name] = None\n"
    run = f"{hide}import runpy\nsys.argv = ['course_lib', *{list(args)!r}]\nrunpy.run_module('course_lib', run_name='__main__')"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    return subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, cwd=folder, env=environment, timeout=120)


# -- what works ---------------------------------------------------------------------------------------------


def test_a_race_in_a_terminal(capsys, tmp_path):
    csv, plot = tmp_path / "race.csv", tmp_path / "race.png"
    assert main([*TINY, "--contestants", "rnn-loop,attention-sdpa", "--csv", str(csv), "--plot", str(plot)]) == 0
    out, err = capsys.readouterr()
    assert "rnn-loop" in out
    assert "attention-sdpa" in out
    assert f"Rows kept in {csv}" in out
    assert "100%" in err  # the progress bar
    assert load_race(csv)["T"].tolist() == [4, 4, 8, 8]
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_other_kinds_of_picture(ending, tmp_path):
    assert main([*TINY, "--contestants", "rnn-loop", "--plot", str(tmp_path / f"race.{ending}")]) == 0
    assert (tmp_path / f"race.{ending}").stat().st_size > 1000


def test_rows_that_are_not_ok_are_explained_under_the_table(capsys):
    assert main([*TINY, "--contestants", "rnn-loop,lstm-loop", "--budget", "1e-9"]) == 0
    out = capsys.readouterr().out
    assert "over budget" in out
    assert "lstm-loop at T = 8: over budget: five runs would take" in out


def test_doctor_says_what_is_here(capsys):
    assert main(["doctor", "--quick"]) == 0
    out = capsys.readouterr().out
    for word in ("Software", torch.__version__, "Devices", "cuda", "Data"):
        assert word in out
    assert "speed" not in out


def test_help_lists_every_command(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in COMMANDS)
    for name in COMMANDS:
        with pytest.raises(SystemExit) as end:
            main([name, "--help"])
        assert end.value.code == 0


# -- what does not ------------------------------------------------------------------------------------------

RACE = [
    ("--contestants rnn-loop,gpt", "unknown contestant 'gpt'"),
    ("--contestants ,", "contestants must name at least one"),
    ("--contestants rnn-graph", "needs a CUDA GPU"),
    ("--contestants rnn-hoisted --pass generate", "cannot generate"),
    ("--lengths 4,x", "lengths must be whole numbers"),
    ("--lengths 4.5", "lengths must be whole numbers"),
    ("--lengths ,", "lengths must be whole numbers"),
    ("--lengths 0", "T must be ≥ 1"),
    ("--lengths -4", "T must be ≥ 1"),
    ("--batch 0", "batch must be ≥ 1"),
    ("--batch two", "--batch"),
    ("--width 10 --heads 4", "divisible"),
    ("--heads 0", "heads must be ≥ 1"),
    ("--pass backward", "pass must be one of"),
    ("--fairness price", "fairness must be one of"),
    ("--device tpu", "device must be auto, cpu or cuda"),
    ("--device cuda", "sees no CUDA GPU"),
    ("--dtype int8", "dtype must be one of"),
    ("--threads 0", "threads must be ≥ 1"),
    ("--threads 1000000", "threads"),
    ("--budget 0", "budget_s must be > 0"),
    ("--budget nan", "budget_s must be > 0"),
    ("--csv .", "CSV"),
    ("--csv no/such/folder.csv", "CSV"),
    ("--plot race.txt", "plot's name must end in"),
    ("--plot no/such/folder.png", "cannot write the plot"),
    ("--colour red", "--colour"),
]


@pytest.mark.parametrize(("arguments", "says"), RACE, ids=[a for a, _ in RACE])
def test_a_mistake_ends_with_one_sentence(arguments, says, capsys, monkeypatch):
    monkeypatch.setattr(race_run.torch.cuda, "is_available", lambda: False)
    assert main([*TINY, *arguments.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert says in err
    assert err.startswith("course_lib: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("arguments", [[], ["rase"], ["race", "--lengths"], ["doctor", "--now"], ["evidence", "nothing"], ["fetch", "nothing"]])
def test_a_mistake_in_a_command(arguments, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert 0 < err.count("\n") <= 1
    assert "Traceback" not in err


def test_an_interrupt_is_130_and_keeps_the_rows(capsys, monkeypatch, tmp_path):
    original = race_run.check_contestant

    def interrupted(contestant, *args):
        if contestant.name == "lstm-loop":
            raise KeyboardInterrupt
        return original(contestant, *args)

    csv = str(tmp_path / "race.csv")
    assert main([*TINY, "--contestants", "rnn-loop", "--csv", csv]) == 0
    monkeypatch.setattr(race_run, "check_contestant", interrupted)
    assert main([*TINY, "--contestants", "rnn-loop,lstm-loop", "--csv", csv]) == 130
    assert "what was finished is kept" in capsys.readouterr().err
    assert len(load_race(csv)) == 2


# -- in a process of its own --------------------------------------------------------------------------------


def test_exit_status_and_streams_of_a_real_process(tmp_path):
    wrong = python("race", "--lengths", "none")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr == "course_lib: lengths must be whole numbers separated by commas, got 'none'\n"
    # the whole of the terminal's side without the notebook's
    bare = ("ipywidgets", "jupyterlab", "matplotlib", "IPython")
    ran = python(*TINY, "--contestants", "rnn-loop", "--csv", "race.csv", hidden=bare, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "Rows kept in race.csv" in ran.stdout
    assert len(load_race(tmp_path / "race.csv")) == 2


def test_without_matplotlib_a_plot_is_refused_before_the_race(monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main([*TINY, "--plot", str(tmp_path / "race.png")]) == 2
    assert capsys.readouterr().err == "course_lib: drawing a plot needs matplotlib: pip install matplotlib\n"


def test_models_measure_and_race_load_no_notebook_stack():
    check = (
        "import sys, course_lib, course_lib.models, course_lib.measure, course_lib.race, course_lib.__main__ as program\n"
        "__import__(program.COMMANDS['race'][0])\n"
        "print(sorted({m.split('.')[0] for m in sys.modules} & {'ipywidgets', 'matplotlib', 'IPython', 'jupyterlab', 'notebook'}))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=environment, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr
