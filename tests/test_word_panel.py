"""The map explorer and the pictures of words."""

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("ipywidgets")

from course_lib.checks import InputError
from course_lib.models.embedding import WordVectors
from course_lib.panels import MapPanel
from course_lib.word_plots import _apart, association_plot, map_of_words, scatter_plots, trend_plot

rng = np.random.default_rng(0)
WORDS = [f"word{i}" for i in range(40)]
VECTORS = WordVectors(WORDS, rng.normal(size=(40, 8)))
OTHER = WordVectors(["river", *WORDS[:9]], rng.normal(size=(10, 5)))


def test_typing_a_word_shows_its_neighbours():
    panel = MapPanel({"one": VECTORS, "other": OTHER}, "word3", n=6)
    first = panel.image.value
    assert f"word3</b> (cosine): {VECTORS.neighbours('word3', 1)[0][0]}" in panel.status.value
    panel.word.value = "  WORD5 "
    assert "word5" in panel.status.value
    assert panel.image.value != first
    assert "alt=" in panel.image.value
    kept = panel.image.value
    panel.word.value = "wrd5"
    assert "no vector for <b>wrd5</b>" in panel.status.value
    assert "word5" in panel.status.value  # spelt like it
    assert panel.image.value == kept
    panel.source.value, panel.word.value, panel.number.value = "other", "river", 60  # more than there are
    assert "river</b> (cosine)" in panel.status.value
    panel.word.value = "<b>"
    assert "<b><b>" not in panel.status.value
    data, metadata = panel._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(data)
    assert "word3" in metadata["image/png"]["alt"]


def test_a_first_word_must_be_known():
    with pytest.raises(InputError, match="no vector for 'cat'"):
        MapPanel({"one": VECTORS}, "cat")
    with pytest.raises(InputError, match="at least one set"):
        MapPanel({}, "cat")


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_a_map_has_every_word_and_no_two_labels_overlap(method):
    plot = map_of_words(VECTORS, {"word0": WORDS[:12], "word20": WORDS[20:32]}, "Map", method)
    texts = [text.get_text() for text in plot.axes[0].texts]
    assert sorted(texts) == sorted(WORDS[:12] + WORDS[20:32])
    assert "word0: word1, word2" in plot.alt
    with pytest.raises(InputError, match="at least 4 words"):
        map_of_words(VECTORS, {"a": WORDS[:3]}, "Map")


def test_labels_are_moved_apart():
    boxes = np.full((20, 2), (0.1, 0.02))
    at = _apart(rng.normal(size=(20, 2)) * 0.01 + 0.5, boxes)
    over = (boxes[0] - np.abs(at[:, None] - at[None]) > 1e-3).all(-1)
    np.fill_diagonal(over, False)
    assert not over.any()


def test_the_other_pictures_say_what_they_show():
    assert "nurse -0.10, pilot +0.20" in association_plot({"pilot": 0.2, "nurse": -0.1}, "she", "he", "Jobs").alt
    record = pd.DataFrame({"step": [1, 2, 1, 2], "wordsim": [0.1, 0.4, 0.1, 0.2], "seed": [0, 0, 1, 1]})
    assert "recorded, 2 seeds 0.30" in trend_plot(record, record[:2], 0.5, 200).alt
    x = np.arange(5.0)
    assert "D = 2: correlation 1.000" in scatter_plots({"D = 2": (x, x + 1)}, "a", "b").alt
