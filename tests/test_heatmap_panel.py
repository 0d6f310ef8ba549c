"""The heat-map panel and the attention plots, without a browser."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("ipywidgets")

from course_lib.attention_plots import curves_plot, heads_plot, heat_map, maps_beside, strongest
from course_lib.checks import InputError
from course_lib.models import Decoder, Encoder, EncoderDecoder, TransformerConfig
from course_lib.panels import HeatmapPanel
from course_lib.panels.heatmap import MASKS, MOST, reshaped

CONFIG = TransformerConfig(V=30, D=16, N=2, H=2, T_max=64)


def read(text):
    words = text.split()
    return [len(word) for word in words], words


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Encoder(CONFIG)


@given(seed=st.integers(0, 1000), temperature=st.floats(0.1, 5), mask=st.sampled_from(list(MASKS)), T=st.integers(2, 7))
@settings(max_examples=40, deadline=None)
def test_reshaping_weights_is_the_softmax_of_the_scores(seed, temperature, mask, T):
    scores = torch.randn(T, T, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    t = torch.arange(T)
    gap = t[None] - t[:, None]
    hidden = {"none": gap > T, "causal": gap > 0, "window": gap.abs() > 2, "self": gap == 0}[mask]
    expected = (scores / temperature).masked_fill(hidden, -torch.inf).softmax(-1)
    assert torch.allclose(reshaped(scores.softmax(-1), temperature, mask), expected, atol=1e-9)


def test_reshaping_refuses_what_cannot_be():
    weights = torch.full((2, 3), 1 / 3)
    assert torch.allclose(reshaped(weights, 2.0), weights)
    for bad, match in ((dict(temperature=0), "temperature must be > 0"), (dict(mask="future"), "mask must be one of"), (dict(mask="causal"), "look at each other")):
        with pytest.raises(InputError, match=match):
            reshaped(weights, **bad)
    assert reshaped(torch.eye(2), mask="self").sum() == 0  # nothing left to look at: zeros, not NaN


def test_the_panel_answers_at_once_to_every_input(model):
    panel = HeatmapPanel(model, read, "the cat sat on a mattress")
    seen = {panel.image.value}
    for widget, value in ((panel.layer, 2), (panel.head, 2), (panel.temperature, 0.3), (panel.mask, "causal"), (panel.text, "dogs sleep")):
        widget.value = value
        assert panel.image.value not in seen, value
        seen.add(panel.image.value)
    assert panel.rows == ["dogs", "sleep"]
    assert "Layer 2, head 2, temperature 0.3, no looking ahead" in panel.status.value
    assert 'role="status"' in panel.status.value
    assert "alt=" in panel.image.value
    expected = reshaped(model.attention_weights(torch.tensor([[4, 5]]))[1][0, 1], 0.3, "causal")
    assert torch.allclose(panel.weights(), expected)


def test_the_table_shows_the_largest_weights_of_all_words_or_of_one(model):
    panel = HeatmapPanel(model, read, "a <b> of")
    assert "&lt;b&gt;" in panel.table.value
    assert panel.table.value.count("<tr>") == 9  # its head, and 8 of 9 weights
    panel.word.value = 2
    assert panel.table.value.count("<td>of</td>") == 3
    panel.text.value = "longer words than before"
    assert panel.word.value == -1
    assert len(panel.word.options) == 5


def test_a_sentence_that_cannot_be_shown_leaves_the_last_picture(model):
    panel = HeatmapPanel(model, read, "one two")
    before = panel.image.value
    panel.text.value = "word " * (MOST + 1)
    assert "Not shown" in panel.status.value
    assert panel.image.value == before
    panel.text.value = ""
    assert "Not shown" in panel.status.value
    panel.text.value = "three four"
    assert panel.image.value != before


def test_every_model_of_the_course_and_any_function_can_be_looked_at(model):
    torch.manual_seed(0)
    assert HeatmapPanel(Decoder(CONFIG), read, "a bc def").weights()[0].tolist() == [1, 0, 0]
    both = EncoderDecoder(CONFIG)
    panel = HeatmapPanel(both, read, "a bc def", target=lambda ids: ([1, 2], ["x", "y"]))
    assert panel.weights().shape == (2, 3)
    panel.mask.value = "causal"
    assert "Not shown" in panel.status.value
    with pytest.raises(InputError, match="needs target"):
        HeatmapPanel(both, read, "a")
    own = HeatmapPanel(lambda ids: [torch.full((1, 2, 2), 0.5)], read, "a b")
    assert own.layer.disabled
    assert own.head.disabled
    for bad in (dict(layer=3), dict(head=0)):
        with pytest.raises(InputError, match="must"):
            HeatmapPanel(model, read, "a b", **bad)


def test_it_is_shown_as_one_bundle(model):
    data, metadata = HeatmapPanel(model, read, "the cat sat")._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} == set(data)
    assert "the" in metadata["image/png"]["alt"]


def test_the_strongest_weights_come_first():
    weights = [[0.1, 0.9], [0.7, 0.3]]
    assert strongest(weights, ["a", "b"], ["x", "y"], 2) == [("a", "y", 0.9), ("b", "x", 0.7)]
    assert strongest(weights, ["a", "b"], ["x", "y"], row=1) == [("b", "x", 0.7), ("b", "y", 0.3)]
    with pytest.raises(InputError, match="must have shape"):
        strongest(weights, ["a"], ["x", "y"])


def test_plots_say_what_they_show():
    weights = [[0.1, 0.9], [0.7, 0.3]]
    plot = heat_map(weights, ["$a", "b"], title="title")
    assert "b at $a 0.70" in plot.alt
    assert [t.get_text() for t in plot.axes[0].texts] == [".10", ".90", ".70", ".30"]
    assert plot.png()
    assert not heat_map(torch.full((12, 12), 1 / 12), list("abcdefghijkl")).axes[0].texts
    assert "one: a at b 0.90" in maps_beside({"one": (weights, "ab", "ab"), "two": (weights, "ab", "ab")}).alt
    assert "layer 1 head 2" in heads_plot(torch.rand(1, 2, 3, 3), "t", [(1, 2)], "induction").alt
    with pytest.raises(InputError, match="up to 6 layers"):
        heads_plot(torch.rand(7, 2, 3, 3))
    assert "At 4: a 2, b 1.0e-05" in curves_plot([1, 4], {"a": [1, 2], "b": [1, 1e-5]}, "d", "y", "t", "xy", {"a": [(1, 2)]}, ("line", 1)).alt
