"""The gradient panel, its drawings, and the plots of Part 1."""

import pytest
import torch

pytest.importorskip("ipywidgets")

from course_lib.checks import InputError
from course_lib.drawing import fading_gradient, unrolled_rnn
from course_lib.evidence import recorded
from course_lib.learning_plots import bar_plot, lengths_plot
from course_lib.panels import GradientPanel
from course_lib.panels.gradient import STARTS, start_rnn


@pytest.mark.parametrize("start", STARTS)
def test_a_start_has_the_radius_that_was_asked_for(start):
    before = torch.get_rng_state()
    weight = start_rnn(start, 0.7).weight_hh.detach()
    assert torch.linalg.eigvals(weight).abs().max().item() == pytest.approx(0.7, abs=1e-4)
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(InputError, match="radius must be > 0"):
        start_rnn(start, 0)


def test_the_panel_answers_at_once():
    panel = GradientPanel()
    assert "vanished" in panel.status.value
    first = panel.image.value
    panel.number.value = 1.5
    assert panel.slider.value == 1.5
    assert "exploded" in panel.status.value
    assert panel.image.value != first
    panel.start.value, panel.nonlinearity.value, panel.slider.value = "identity", "relu", 1.0
    assert "still there" in panel.status.value
    assert "alt=" in panel.image.value
    data, metadata = panel._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(data)
    assert metadata["image/png"]["alt"]


def test_the_drawings_say_what_they_show():
    assert "chain" in unrolled_rnn().alt
    assert "25.0% reaches 'a'" in fading_gradient(["a", "b", "c"], {"half a step": [1, 0.5, 0.25]}).alt
    with pytest.raises(InputError, match="2 to 9 words"):
        fading_gradient(["a"], {"one": [1]})


def test_bars_and_lengths_are_drawn():
    axes = bar_plot({"a": 1.0, "a ": 2.0}, "nats", "title", {"a": [0.9, 1.1]}).axes[0]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["a", "a"]
    assert [bar.get_height() for bar in axes.patches] == [1, 2]
    plot = lengths_plot({"RNN": [1.0, 0.9]}, [20, 100], [recorded("parity"), recorded("parity_attention")], 20)
    assert "RNN 90% at 100" in plot.alt
    assert "Transformer (18 recorded runs)" in plot.alt
