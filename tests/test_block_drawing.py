"""The block drawn both ways, and lines over layers."""

import pytest

from course_lib.block_drawing import layers_plot, transformer_block
from course_lib.checks import InputError


def test_the_block_is_drawn_with_its_norms_after_and_before():
    plot = transformer_block()
    for ax, order in zip(plot.axes, (["attention", "norm"], ["norm", "attention"])):
        height = {text.get_text(): text.get_position()[1] for text in reversed(ax.texts)}  # of several norms the lowest
        assert height[order[0]] < height[order[1]]
        assert height["attention"] < height["feed-forward network"]
        assert sum(text.get_text() == "+" for text in ax.texts) == 2
    assert "residual" in plot.alt


def test_layers_are_drawn_with_their_record_and_only_strong_lines_are_named():
    plot = layers_plot({"a": [1, 2, 3], "b": [3, -2, 1], "c": [0, 0, 1]}, "y", "title", faint=("c",), record={"a": [[1, 1, 1], [2, 2, 2]]}, first=1)
    ax = plot.axes[0]
    drawn = [line for line in ax.lines if list(line.get_xdata()) == [1, 2, 3]]
    assert len(drawn) == 3 + 2
    names = {text.get_text() for text in ax.texts}
    assert {"a", "b"} <= names
    assert "c" not in names
    assert "b 1" in plot.alt
    with pytest.raises(InputError, match="at least one line that is not faint"):
        layers_plot({"a": [1, 2]}, "y", "t", faint=("a",))
