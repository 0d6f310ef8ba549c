"""The plots, from made-up tables: they draw, they can be read, and the same contestant always looks the same."""

import functools
import io
import warnings

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from matplotlib.text import Text

from course_lib.checks import InputError
from course_lib.drawing import rnn_beside_attention
from course_lib.plotting import (
    caption,
    critical_path_plot,
    crossovers,
    gradient_plot,
    race_plot,
    seconds_text,
    speedup_plot,
    throughput_plot,
)
from course_lib.race import COLUMNS, CONTESTANTS
from course_lib.style import Plot, look_of

SIXTEEN = [c.name for c in CONTESTANTS.values() if not c.wrapper]
LENGTHS = (16, 32, 64, 128, 256, 512, 1024)


def made_up(names, lengths=LENGTHS, close=1.0, **columns):
    """A race's table: recurrent contestants take time like T, attention like T² with a smaller constant."""
    rows = []
    for i, name in enumerate(names):
        for T in lengths:
            power, scale = (1, 2e-5) if CONTESTANTS[name].recurrent else (2, 2e-7)
            median = scale * T**power * (1 + close * i / 5)
            ratio = median / (2e-7 * T**2)
            rows.append(dict.fromkeys(COLUMNS, np.nan) | {
                "contestant": name, "pass": "forward", "T": T, "B": 8, "D": 128, "H": 4, "device": "cpu", "dtype": "float32", "threads": 2,
                "median_s": median, "iqr_s": 0.1 * median, "q1_s": 0.95 * median, "q3_s": 1.05 * median, "runs": 15, "status": "ok",
                "width": 128, "fairness": "width", "baseline": "attention-sdpa", "ratio": ratio, "ratio_q1": 0.9 * ratio, "ratio_q3": 1.1 * ratio,
                "detail": "", "device_name": "a made-up processor of a certain length", "torch": "2.13.0", "date": "2026-01-01",
            } | columns)  # fmt: skip
    return pd.DataFrame(rows)


def failed(table, **status):
    """The same table where some (contestant at its longest T) could not be run; keys: contestant with _ for -."""
    table = table.copy()
    for name, what in status.items():
        row = (table["contestant"] == name.replace("_", "-")) & (table["T"] == table["T"].max())
        table.loc[row, "status"] = what
        table.loc[row, ["median_s", "iqr_s", "q1_s", "q3_s", "ratio", "ratio_q1", "ratio_q3"]] = np.nan
    return table


THREE = made_up(["rnn-loop", "lstm-loop", "attention-sdpa"])
COUNTS = pd.DataFrame([(n, T, c) for T in LENGTHS for n, c in (("rnn-loop", 3 * T + 3), ("mingru-doubling", 3 * np.log2(T) + 2), ("attention-sdpa", 3))], columns=["contestant", "T", "critical_path"])
BATCHES = pd.concat([made_up(["rnn-loop", "attention-sdpa"], (128,), B=B) for B in (1, 4, 16, 64)])
PLOTS = {
    "race": lambda: race_plot(THREE),
    "race, guess": lambda: race_plot(THREE, prediction="attention, fused wins, 10 times"),
    "race, train": lambda: race_plot(made_up(["gru-fused"], **{"pass": "train", "fairness": "flops"})),
    "race, 16 contestants": lambda: race_plot(made_up(SIXTEEN)),
    "race, 16 as fast as each other": lambda: race_plot(made_up(SIXTEEN, close=0.001)),
    "race, one point": lambda: race_plot(made_up(["rnn-loop"], (16,))),
    "race, two lengths": lambda: race_plot(made_up(["rnn-loop", "attention-sdpa"], (16, 4096))),
    "race, twelve lengths": lambda: race_plot(made_up(["rnn-loop", "attention-sdpa"], [2**k for k in range(3, 15)])),
    "race, OOM": lambda: race_plot(failed(THREE, attention_sdpa="out of memory")),
    "race, every trouble": lambda: race_plot(failed(THREE, attention_sdpa="out of memory", rnn_loop="over budget", lstm_loop="wrong")),
    "race, nothing ran": lambda: race_plot(failed(made_up(["rnn-loop"], (16,)), rnn_loop="wrong")),
    "speedup": lambda: speedup_plot(THREE),
    "speedup, 16 contestants": lambda: speedup_plot(made_up(SIXTEEN)),
    "speedup, baseline alone": lambda: speedup_plot(made_up(["attention-sdpa"])),
    "speedup, OOM": lambda: speedup_plot(failed(THREE, rnn_loop="out of memory")),
    "critical path": lambda: critical_path_plot(COUNTS),
    "critical path, one point": lambda: critical_path_plot(COUNTS[COUNTS["T"] == 16]),
    "throughput": lambda: throughput_plot(BATCHES),
    "gradient": lambda: gradient_plot({"rnn-loop": [0.8**k for k in range(100)], "attention-sdpa": [1.0] * 100, "something else": [0.99**k for k in range(100)]}),
    "drawing": rnn_beside_attention,
    "drawing, ten words": lambda: rnn_beside_attention(["incomprehens"[: 3 + k] for k in range(10)], causal=True),
}


@functools.cache
def drawn(name):
    """The plot of that name and its PNG; a warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plot = PLOTS[name]()
        return plot, plot.png()


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_is_small_opaque_and_described(name):
    plot, png = drawn(name)
    assert isinstance(plot, Plot)
    assert len(png) <= 150_000
    pixels = imread(io.BytesIO(png))  # (height, width, RGBA)
    assert pixels.shape[2] == 3 or (pixels[:, :, 3] == 1).all()
    assert (pixels[[0, 0, -1, -1], [0, -1, 0, -1], :3] == 1).all()  # white to the corners
    assert pixels.shape[1] == pytest.approx(6.5 * 144, abs=1)
    assert pixels[:, :, :3].min() < 0.5  # and something stands on it
    assert len(plot.alt) > 40
    data, metadata = plot._repr_mimebundle_()
    assert metadata["image/png"]["alt"] == plot.alt
    assert plot.alt in data["text/plain"]


def test_a_page_that_looks_on_gets_alt_text_with_the_picture(monkeypatch):
    plot = Plot(2, 1, alt='the "loop" is <slower>')
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    assert set(plot._repr_mimebundle_()[0]) == {"image/png", "text/plain"}  # a file holds each picture once
    monkeypatch.setenv("JPY_SESSION_NAME", "notebooks/01_rnn.ipynb")
    data, _ = plot._repr_mimebundle_()
    assert 'alt="the &quot;loop&quot; is &lt;slower&gt;"' in data["text/html"]
    assert data["image/png"] in data["text/html"]


def texts(plot):
    plot.draw_without_rendering()
    return [t for t in plot.findobj(Text) if t.get_visible() and t.get_text().strip()]


@pytest.mark.parametrize("name", PLOTS)
def test_text_can_be_read_and_lies_on_the_page(name):
    plot, _ = drawn(name)
    page = plot.bbox
    for text in texts(plot):
        assert text.get_fontsize() >= 9, text.get_text()
        if text.get_figure() is plot and text.get_window_extent().width:
            box = text.get_window_extent()
            ticks = [t for ax in plot.axes for axis in (ax.xaxis, ax.yaxis) for t in axis.get_ticklabels(which="both")]
            if text not in ticks:  # matplotlib keeps tick labels beyond the limits, undrawn
                assert page.x0 - 1 <= box.x0, text.get_text()
                assert box.x1 <= page.x1 + 1, text.get_text()
                assert page.y0 - 1 <= box.y0, text.get_text()
                assert box.y1 <= page.y1 + 1, text.get_text()


@pytest.mark.parametrize("name", [name for name in PLOTS if not name.startswith("drawing")])
def test_labels_do_not_overlap(name):
    plot, _ = drawn(name)
    plot.draw_without_rendering()
    ax = plot.axes[0]
    boxes = {}
    for text in [*ax.texts, ax.title, ax.xaxis.label, *[t for t in ax.get_xticklabels() if t.get_text()], *plot.texts]:
        if text.get_text().strip():
            box = Text.get_window_extent(text)  # the words without the leader line
            boxes[text.get_text(), round(box.x0), round(box.y0)] = box.padded(-1.5)  # the same words twice in one place are one label
    placed = list(boxes.items())
    for i, ((text, *_), box) in enumerate(placed):
        for (other, *_), other_box in placed[i + 1 :]:
            assert not box.overlaps(other_box), f"{text!r} lies on {other!r}"


def test_the_alt_text_tells_the_ends():
    assert race_plot(THREE).alt.endswith("At T = 1,024: RNN step loop 20.5 ms, LSTM step loop 24.6 ms, attention, fused 294 ms.")
    assert "Nothing was measured" in race_plot(failed(made_up(["rnn-loop"], (16,)), rnn_loop="wrong")).alt
    assert "RNN step loop: grows like T" in critical_path_plot(COUNTS).alt
    assert "attention, fused: constant" in critical_path_plot(COUNTS).alt


def test_nothing_to_plot_is_one_sentence():
    empty = THREE.iloc[:0]
    for draw in (race_plot, speedup_plot, throughput_plot, critical_path_plot):
        with pytest.raises(InputError, match="there are no"):
            draw(empty)
    with pytest.raises(InputError, match="no gradients"):
        gradient_plot({})
    for words in ([], ["w"] * 11):
        with pytest.raises(InputError, match="1 to 10 words"):
            rnn_beside_attention(words)


# -- looks --------------------------------------------------------------------------------------------------


def test_each_contestant_has_one_look_of_its_own():
    looks = {name: look_of(name) for name in CONTESTANTS}
    assert len({(look.color, look.marker) for look in looks.values()}) == len(CONTESTANTS)
    for name, look in looks.items():
        assert look.color == look_of(name.split("-")[0] + "-loop").color  # the colour is its family's
    lines = {line.get_marker(): line.get_color() for line in race_plot(made_up(["rnn-loop", "attention-sdpa"])).axes[0].lines}
    others = {line.get_marker(): line.get_color() for line in critical_path_plot(COUNTS).axes[0].lines}
    for name in ("rnn-loop", "attention-sdpa"):
        assert lines[looks[name].marker] == looks[name].color or looks[name].marker == "o"
        assert others[looks[name].marker] == looks[name].color


def test_colours_can_be_told_apart_in_a_grey_print_by_marker_or_dashes():
    by_line = {(look_of(n).marker, str(look_of(n).linestyle), n.split("-")[0]) for n in CONTESTANTS}
    assert len(by_line) == len(CONTESTANTS)


# -- crossovers and words -----------------------------------------------------------------------------------


def two_curves(slow, fast, lengths=(16, 64, 256, 1024)):
    return pd.DataFrame([(n, T, f(T), "ok") for n, f in (("rnn-loop", slow), ("attention-sdpa", fast)) for T in lengths], columns=["contestant", "T", "median_s", "status"])


@pytest.mark.parametrize(
    ("slow", "fast", "meet"),
    [
        (lambda T: T, lambda T: T * T / 100, [100]),
        (lambda T: T * T / 100, lambda T: T, [100]),
        (lambda T: T, lambda T: T * T / 64, [64]),  # on a measured length
        (lambda T: T, lambda T: T**0.5, []),
        (lambda T: T, lambda T: T, []),
        (lambda T: {16: 1, 64: 4, 256: 1, 1024: 4}[T], lambda T: 2, [32, 128, 512]),
        (lambda T: {16: 1, 64: 2, 256: 1, 1024: 1}[T], lambda T: 2, []),  # touches, does not cross
    ],
)
def test_crossovers_of_curves_that_meet_where_we_know(slow, fast, meet):
    assert crossovers(two_curves(slow, fast), "rnn-loop", "attention-sdpa") == pytest.approx(meet)


def test_crossovers_leave_out_what_did_not_run():
    table = two_curves(lambda T: T, lambda T: T * T / 100)
    table.loc[(table["T"] == 256) & (table["contestant"] == "attention-sdpa"), "status"] = "out of memory"
    assert crossovers(table, "rnn-loop", "attention-sdpa") == pytest.approx([100])
    assert crossovers(table[table["T"] < 100], "rnn-loop", "attention-sdpa") == []
    assert crossovers(table, "rnn-loop", "gru-loop") == []


def test_seconds_in_words_and_the_caption():
    words = {2.0: "2 s", 0.00123456: "1.23 ms", 4.5e-05: "45 µs", 1e-08: "10 ns", 123.4: "123 s"}
    assert {s: seconds_text(s) for s in words} == words
    assert caption(THREE) == "a made-up processor of a certain length, 2 threads · float32 · torch 2.13.0 · 2026-01-01"
    assert "threads" not in caption(THREE.assign(device="cuda"))
