"""The race panel without a browser, with a made-up race in the place of the real one."""

import threading
import time
import warnings

import numpy as np
import pytest

from course_lib.checks import InputError
from course_lib.race import COLUMNS

pytest.importorskip("ipywidgets")

from course_lib.panels import RacePanel, StepByStep, answer, predict  # noqa: E402
from course_lib.panels import race as race_panel  # noqa: E402
from course_lib.panels.runner import BUSY, State  # noqa: E402

PATIENCE = 10  # seconds until a test gives a worker up


def until(condition):
    """Wait for something another thread does; False if it never does."""
    end = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < end:
        time.sleep(0.002)
    return condition()


def workers():
    return [t for t in threading.enumerate() if t.name == "course-panel"]


def row(name, T, **columns):
    return dict.fromkeys(COLUMNS, np.nan) | {
        "contestant": name, "pass": "forward", "T": T, "B": 8, "D": 128, "H": 4, "device": "cpu", "dtype": "float32", "threads": 1, "runs": 15,
        "median_s": 1e-5 * T, "iqr_s": 1e-6, "q1_s": 0.9e-5 * T, "q3_s": 1.1e-5 * T, "status": "ok", "width": 128, "fairness": "width", "detail": "",
        "baseline": name, "ratio": 1.0, "ratio_q1": 1.0, "ratio_q3": 1.0, "device_name": "a made-up processor", "torch": "2.13.0", "date": "2026-01-01",
    } | columns  # fmt: skip


@pytest.fixture
def fake(monkeypatch):
    """In place of the race: rows of the asked lengths, one for each `go.release()`; `go.asked` is what was asked for."""

    class Fake:
        def __init__(self):
            self.go, self.asked = threading.Semaphore(0), []

        def race(self, contestants, lengths, on_row, tick, stop, **settings):
            self.asked.append({"contestants": contestants, "lengths": lengths, **settings})
            for i, T in enumerate(lengths):
                while not self.go.acquire(timeout=0.01):
                    tick(i / len(lengths), f"T = {T}: measuring")
                for name in contestants:
                    on_row(row(name, T))
                tick((i + 1) / len(lengths), f"T = {T}: measured")

    fake = Fake()
    monkeypatch.setattr(race_panel, "race", fake.race)
    return fake


@pytest.fixture
def panel(fake):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel = RacePanel(T=64, mode="worker", recorded="none.csv")
    yield panel
    panel.runner.stop()
    assert until(lambda: not workers())


def finish(panel, fake):
    panel.run.click()
    fake.go.release(20)
    assert until(lambda: not panel.runner.busy and not panel.run.disabled)


def test_run_measures_what_was_chosen_and_shows_it(panel, fake):
    assert "Ready" in panel.status.value
    assert panel.plot.value == ""
    finish(panel, fake)
    asked = fake.asked[0]
    assert asked["contestants"] == ["rnn-loop", "rnn-fused", "attention-sdpa"]
    assert asked["lengths"] == [16, 32, 64]
    assert (asked["batch"], asked["width"], asked["pass_"]) == (8, 128, "forward")
    assert "Done" in panel.status.value
    assert panel.progress.value == 1
    assert '<img width="' in panel.plot.value
    assert 'alt="Line plot' in panel.plot.value
    assert "<td>640 µs</td>" in panel.table.value
    assert 'download="race.csv"' in panel.table.value


def test_inputs_and_run_are_disabled_while_it_measures(panel, fake):
    panel.run.click()
    assert until(lambda: len(fake.asked) == 1)
    assert panel.run.disabled
    assert all(widget.disabled for widget in panel.inputs)
    assert not panel.halt.disabled
    panel.run.click()  # a double click
    fake.go.release(20)
    assert until(lambda: not panel.runner.busy and not panel.run.disabled)
    assert len(fake.asked) == 1
    assert not any(widget.disabled for widget in panel.inputs)
    assert panel.halt.disabled


def test_stop_keeps_what_was_measured(panel, fake):
    panel.run.click()
    fake.go.release(1)
    assert until(lambda: len(panel.runner.rows) == 3)
    panel.halt.click()
    assert until(lambda: not panel.runner.busy and not panel.run.disabled)
    assert "Stopped" in panel.status.value
    assert "3 rows are kept" in panel.status.value
    assert "<td>160 µs</td>" in panel.table.value


def test_a_changed_input_makes_the_plot_stale_and_times_nothing(panel, fake):
    finish(panel, fake)
    before = panel.plot.value
    panel.B.value = 16
    assert "Stale" in panel.status.value
    assert panel.plot.value == before
    assert len(fake.asked) == 1
    finish(panel, fake)
    assert "Stale" not in panel.status.value
    assert fake.asked[1]["batch"] == 16


def test_slider_and_number_are_one_value(panel):
    panel.T_slider.value = 256
    assert panel.T.value == 256
    panel.T.value = 1000
    assert panel.T_slider.value == 1000
    panel.T.value = 10**6
    assert panel.T.value <= 16384  # the number's own limit holds


def test_the_guess_stands_beside_the_measurement(panel, fake, monkeypatch):
    guesses, draw = [], race_panel.race_plot
    monkeypatch.setattr(race_panel, "race_plot", lambda table, prediction=None, **k: guesses.append(prediction) or draw(table, prediction=prediction, **k))
    panel.guess_who.value, panel.guess_much.value = "attention-sdpa", "10 times"
    finish(panel, fake)
    assert guesses[-1] == "attention, fused wins, 10 times"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda p: [setattr(box, "value", False) for box in p.boxes.values()], "choose at least one contestant"),
        (lambda p: setattr(p.D, "value", 17), "width D must be divisible by heads H"),
        (lambda p: (setattr(p.boxes["rnn-hoisted"], "value", True), setattr(p.pass_, "value", "generate")), "RNN, inputs hoisted: needs the whole sequence"),
    ],
)
def test_a_choice_that_cannot_be_raced_is_said_and_nothing_runs(panel, fake, change, says):
    change(panel)
    panel.run.click()
    assert says in panel.status.value
    assert "Not run" in panel.status.value
    assert not panel.runner.busy
    assert fake.asked == []


def test_a_failing_race_is_told_in_the_status_escaped(panel, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no <b>room</b>")

    monkeypatch.setattr(race_panel, "race", broken)
    panel.run.click()
    assert until(lambda: not panel.runner.busy and not panel.run.disabled)
    assert "It did not work" in panel.status.value
    assert "no &lt;b&gt;room" in panel.status.value


def test_a_plot_that_cannot_be_drawn_does_not_leave_the_panel_locked(panel, fake, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no ink")

    monkeypatch.setattr(race_panel, "race_plot", broken)
    panel.run.click()
    fake.go.release(20)
    assert until(lambda: not panel.runner.busy and not panel.run.disabled)
    assert "no ink" in panel.status.value


def test_one_bundle_for_every_reader(panel, fake, tmp_path):
    data, _ = panel._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain"}  # nothing is recorded yet
    from course_lib.race.table import save_table

    table = race_panel.pd.DataFrame([row(n, T) for T in (16, 32) for n in ("rnn-loop", "attention-sdpa")])
    save_table(table[list(COLUMNS)], tmp_path / "recorded.csv")
    recorded = RacePanel(T=64, mode="worker", recorded=str(tmp_path / "recorded.csv"))
    data, metadata = recorded._repr_mimebundle_()
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "image/png", "text/plain"}
    assert "a made-up processor" in data["text/plain"]
    assert metadata["image/png"]["alt"].startswith("Line plot")
    assert "Recorded" in recorded.status.value
    assert "<img" in recorded.plot.value


def test_in_the_cell_it_runs_to_the_end_and_says_how_to_stop(fake, monkeypatch):
    panel, said = RacePanel(T=32, mode="cell", recorded="none.csv"), []
    panel.status.observe(lambda change: said.append(change["new"]), "value")
    fake.go.release(20)
    panel.run.click()
    assert panel.runner.state is State.DONE
    assert any("interrupt the kernel" in text for text in said)
    assert panel.runner.state not in BUSY


def test_a_mistake_in_the_panels_call_is_one_sentence():
    with pytest.raises(InputError, match="unknown contestant 'gpt'"):
        RacePanel(contestants=["rnn-loop", "gpt"])


@pytest.mark.parametrize(
    ("options", "says"),
    [({"pass_": "sideways"}, "pass_ must be one of"), ({"T": 3}, "T must lie in 16"), ({"batch": 0}, "batch must"), ({"mode": "fast"}, "mode must be one of")],
)
def test_a_panel_asked_for_the_impossible_says_so(options, says):
    with pytest.raises(InputError, match=says):
        RacePanel(**options)


def test_a_prediction_is_remembered_and_none_is_an_answer():
    guess = predict("key", ["a", "b"], question="Which?")
    assert guess.answer is None
    assert answer("key") is None
    guess.buttons.value = "b"
    assert answer("key") == guess.answer == "b"
    assert "Which?" in guess._repr_mimebundle_()[0]["text/html"]
    with pytest.raises(InputError, match="at least two"):
        predict("key", ["a"])


def test_the_stepper_walks_to_the_end_and_no_further():
    steps = StepByStep()
    seen = set()
    for step in range(7):
        steps.slider.value = step
        seen.add(steps.image.value)
        assert steps.number.value == step
    assert len(seen) == 7
    assert "image/png" in steps._repr_mimebundle_()[0]
    with pytest.raises(InputError, match="step must be"):
        steps.frame(7)
    with pytest.raises(InputError, match="2 to 10 words"):
        StepByStep(["one"])


def test_the_stepper_plays_all_steps_and_ends_ready_to_play_again(monkeypatch):
    monkeypatch.setattr(StepByStep, "pause", 0.0)
    steps, seen = StepByStep(), []
    steps.slider.observe(lambda change: seen.append((change["new"], steps.play.disabled)), "value")
    steps.play.click()
    end = time.monotonic() + 120
    while steps.play.disabled and time.monotonic() < end:
        time.sleep(0.02)
    assert seen == [(step, True) for step in range(1, 7)]
    assert not steps.play.disabled


@pytest.mark.parametrize("kind", ["speed-up", "memory", "critical path", "roofline", "timeline"])
def test_every_second_plot_is_drawn_on_request(kind):
    panel = RacePanel(["rnn-loop", "attention-sdpa"], T=16, batch=1, width=16, mode="cell")
    panel.start()
    rows = list(panel.runner.rows)
    panel.second.value = kind
    panel.start_second()
    assert "<img" in panel.second_plot.value, panel.status.value
    assert panel._race_rows == rows


def test_a_guess_made_in_the_panel_is_drawn_at_its_place():
    panel = RacePanel(["rnn-loop", "attention-sdpa"], T=32, batch=1, width=16, mode="cell", recorded="none.csv")
    panel.guess_who.value, panel.guess_much.value = "attention-sdpa", "10 times"
    panel.start()
    plot, _ = panel.draw(panel.runner.rows)
    seconds = {row["contestant"]: row["median_s"] for row in panel.runner.rows if row["T"] == 32}
    stars = [line for line in plot.axes[0].lines if line.get_marker() == "*"]
    assert [float(star.get_ydata()[0]) for star in stars] == [pytest.approx(seconds["rnn-loop"] / 10)]
