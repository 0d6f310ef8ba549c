"""Plots that can be read on a grey print and with any colour vision: the rules behind the colours, and their outcome."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from course_lib.plotting import gradient_plot
from course_lib.race import CONTESTANTS
from course_lib.style import COLOURS, contrast, in_words, look_of


def test_contrast_is_that_of_the_standard():
    assert contrast("#000000") == pytest.approx(21)
    assert contrast("#FFFFFF") == pytest.approx(1)
    assert contrast("#767676") == pytest.approx(4.54, abs=0.01)  # the lightest grey that WCAG lets through for words


@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_words_stand_out_whatever_the_colour(rgb):
    color = "#{:02X}{:02X}{:02X}".format(*rgb)
    words = in_words(color)
    assert contrast(words) >= 4.5
    assert words == color or all(dark <= light + 1 / 255 for dark, light in zip(to_rgb(words), to_rgb(color)))


def test_no_line_is_too_pale_for_a_print():
    assert min(map(contrast, COLOURS.values())) >= 1.9


def test_contestants_are_told_apart_without_colour():
    """Within a family by marker or dashes; between families, where these agree, by lightness or by the name at the line's end."""
    lines = {name: (look_of(name).marker, str(look_of(name).linestyle)) for name in CONTESTANTS}
    for name, line in lines.items():
        same = [other for other in lines if other != name and lines[other] == line and other.split("-")[0] == name.split("-")[0]]
        assert not same, (name, same)


def test_the_names_at_the_lines_ends_are_dark_enough():
    figure = gradient_plot({"MinGRU": list(0.9 ** np.arange(101)), "GRU": list(0.8 ** np.arange(101))})
    names = [text for text in figure.axes[0].texts if re.search("GRU", text.get_text())]
    assert len(names) == 2
    assert all(contrast(text.get_color()) >= 4.5 for text in names)
