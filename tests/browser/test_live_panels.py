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


@pytest.mark.parametrize("name", PANELS)
def test_a_moved_input_changes_picture_and_words(lab, name):
    make, moved, said = PANELS[name]
    one = lab(SETUP, make)
    panel = one.page.locator(".course-panel").first
    panel.wait_for(timeout=30_000)
    picture = panel.locator("img").first
    assert len(picture.get_attribute("alt")) > 20
    assert said in one.status()
    before = picture.get_attribute("src"), one.status()
    if moved == "slider":
        panel.locator(".noUi-handle").first.focus()
        one.page.keyboard.press("ArrowRight")
        one.page.keyboard.press("ArrowRight")
    else:
        one.number(moved).fill("12")
        one.page.keyboard.press("Enter")
    until(lambda: picture.get_attribute("src") != before[0], 20, f"another picture in the {name} panel", one.page)
    assert panel.locator("[role=status][aria-live=polite]").count() == 1
    for slider in panel.locator(".noUi-handle").all():
        assert slider.get_attribute("aria-valuenow") is not None
    assert not one.errors
    box, page = panel.bounding_box(), one.page.viewport_size
    assert box["width"] <= page["width"], "the panel is wider than the window"
