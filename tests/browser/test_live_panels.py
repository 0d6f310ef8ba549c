"""The panels that answer at once, as a reader meets them: shown, moved by the keyboard, named for a screen reader."""

import pytest

from tests.browser.lab import until

SETUP = """
import torch
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.embedding import WordVectors
from course_lib.panels import CostPanel, GradientPanel, HeatmapPanel, MapPanel, SamplingPanel, StepByStep
from course_lib.pretraining import load_small

small, bpe, _ = load_small()
words = [f"{a}{b}" for a in "bcdfg" for b in ("at", "ent", "ill", "ost", "un")]
vectors = WordVectors(words, torch.randn(25, 8, generator=torch.Generator().manual_seed(0)).numpy())

def read(text):
    ids = bpe.encode(text)
    return ids, [bpe.decode([i]) for i in ids]
"""
# panel → how it is made, what is moved (a slider's handle or a labelled number), a word of its status line
PANELS = {
    "gradient": ("GradientPanel()", "slider", "at lag 100"),
    "heatmap": ('HeatmapPanel(small, read, "The history of the city")', "slider", "looks at"),
    "map": ('MapPanel({"made up": vectors}, "bat")', "neighbours", "Nearest to bat"),
    "sampling": ('SamplingPanel(small, bpe, "The history of", tokens=20)', "slider", "can be drawn"),
    "cost": ("CostPanel()", "slider", "chip-hours"),
    "stepper": ("StepByStep()", "slider", "Step"),
}


def arrow(one, panel, moved: str) -> float:
    """One press of an arrow key changes the input, the number beside it and the picture; gives the picture's height."""
    picture = panel.locator("img").first
    before = picture.get_attribute("src")
    if moved != "slider":  # a number alone
        one.number(moved).focus()
        one.number(moved).press("ArrowDown")
        one.number(moved).press("Enter")
    else:
        handle, numbers = panel.locator(".noUi-handle").first, panel.locator("input[type=number]")
        stood, said = handle.get_attribute("aria-valuenow"), [n.input_value() for n in numbers.all()]
        handle.focus()
        handle.press("ArrowRight" if float(stood) < float(handle.get_attribute("aria-valuemax")) else "ArrowLeft")
        until(lambda: handle.get_attribute("aria-valuenow") != stood, 10, "the slider to move", one.page)
        until(lambda: [n.input_value() for n in numbers.all()] != said, 10, "the number beside it to follow", one.page)
    until(lambda: picture.get_attribute("src") != before, 20, "another picture", one.page)
    return picture.bounding_box()["height"]


@pytest.mark.parametrize("name", PANELS)
def test_a_moved_input_changes_picture_and_words(lab, name):
    make, moved, said = PANELS[name]
    one = lab(SETUP, make)
    panel = one.page.locator(".course-panel").first
    panel.wait_for(timeout=30_000)
    picture = panel.locator("img").first
    assert len(picture.get_attribute("alt")) > 20
    assert said in one.status()
    arrow(one, panel, moved)
    assert panel.locator("[role=status][aria-live=polite]").count() == 1
    for slider in panel.locator(".noUi-handle").all():
        assert slider.get_attribute("aria-valuenow") is not None
    assert not one.errors
    box, page = panel.bounding_box(), one.page.viewport_size
    assert box["width"] <= page["width"], "the panel is wider than the window"
