"""The sampling panel and its plots, without a browser."""

import pandas as pd
import pytest
import torch

pytest.importorskip("ipywidgets")

from course_lib.checks import InputError
from course_lib.generation_plots import cost_plot, next_token_plot
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.bpe import BPE
from course_lib.panels.sampling import SamplingPanel


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return Decoder(TransformerConfig(V=270, D=16, N=1, H=2, T_max=40, positions="rotary", init_std=0.5))


@pytest.fixture
def panel(model):
    bpe = BPE.train("the cat sat on the mat and the rat sat on the hat " * 3, 270)
    return SamplingPanel(model, bpe, "the cat", tokens=10)


def test_a_slider_moves_the_bars_and_the_text_at_once(panel):
    assert "270 of 270 tokens can be drawn" in panel.status.value
    image, text = panel.image.value, panel.text.value
    panel.top_k.value = 1
    assert ": 1 of 270 tokens can be drawn" in panel.status.value
    assert panel.image.value != image
    assert panel.text.value != text
    greedy = panel.text.value
    panel.top_k.value, panel.temperature.value = 270, 0.0
    assert panel.text.value == greedy
    assert "greedy" in panel.status.value
    panel.temperature.value, panel.top_p.value = 1.0, 0.05
    assert "top-p 0.05" in panel.status.value
    assert "alt=" in panel.image.value


def test_drawing_again_changes_the_text_alone(panel):
    image, text = panel.image.value, panel.text.value
    panel.again.click()
    assert panel.text.value != text
    assert panel.image.value == image
    assert "Draw 2" in panel.status.value


@pytest.mark.parametrize(("change", "sentence"), [
    (lambda p: setattr(p.prompt, "value", ""), "the prompt is empty"),
    (lambda p: setattr(p.prompt, "value", "z" * 40), "the prompt has 40 tokens, and the context ends at 40"),
    (lambda p: setattr(p.top_p, "value", 0.0), "top_p must lie in (0, 1], got 0.0"),
])  # fmt: skip
def test_a_mistake_gets_a_sentence_and_leaves_the_picture(panel, change, sentence):
    image = panel.image.value
    change(panel)
    assert sentence in panel.status.value
    assert panel.image.value == image
    panel.prompt.value, panel.top_p.value = "the", 1.0
    assert "can be drawn" in panel.status.value


def test_a_prompt_may_hold_anything_and_is_shown_as_text(panel):
    panel.prompt.value = "<b>é 漢"
    assert "&lt;b&gt;é 漢" in panel.text.value
    panel.prompt.value = "z" * 39  # one place is left
    assert "can be drawn" in panel.status.value


def test_the_page_gets_a_picture_with_words(panel, model):
    data, metadata = panel._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(data)
    assert "top-p 0.6" in metadata["image/png"]["alt"]
    with pytest.raises(InputError, match="the prompt is empty"):
        SamplingPanel(model, BPE(), "")
    assert model.training  # the panel leaves the model as it was


def test_the_plots_say_what_they_show():
    plot = next_token_plot(["·a", "$b"], [0.6, 0.4], {"top-k 1": [1.0, 0.0], "as it is": [0.6, 0.4]}, "x")
    assert "top-k 1: ·a 100%, $b 0%" in plot.alt
    assert [p.get_width() for p in plot.axes[0].patches] == [0.6, 0.4, 1.0, 0.0]
    plot.png(50)
    with pytest.raises(InputError, match="1 to 4"):
        next_token_plot(["a"], [1.0], {})
    names = ("with cache", "without cache", "LSTM")
    table = pd.DataFrame([{"model": name, "position": n, "seconds": 1e-3 * n, "bytes": 64 * n} for name in names for n in (1, 2, 4)])
    plot = cost_plot(table, "the LSTM")
    assert "At position 4: with cache" in plot.alt
    plot.png(50)
