"""Every panel but the race's own (test_race_panel.py): the keyboard, a screen reader, dark and narrow and printed pages, a restart."""

import re
import time
from pathlib import Path

import pytest

from tests.browser.lab import until
from tests.browser.test_live_panels import PANELS, SETUP, arrow
from tests.browser.test_race_panel import contrast_colours, luminance

pytestmark = pytest.mark.slow

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
CHAT = """
import time
from course_lib.models.bpe import BPE
from course_lib.panels import ChatPanel
from course_lib.panels.chat import Speaker
from course_lib.pretraining import small_decoder

class Tokenizer:
    def encode(self, text): return type("Encoding", (), {"ids": list(text.encode())})()
    def decode(self, ids): return BPE().decode(i for i in ids if i < 256)
    def token_to_id(self, token): return 256

class Slow(Speaker):
    def stream(self, *what):
        for token in super().stream(*what):
            time.sleep(0.02)
            yield token

speaker = Slow(small_decoder(257, 16, 1, 2, T=3000, zero_init=False, init_std=0.5), Tokenizer())
speaker.stops = ()  # an answer is as long as it may be
panel = ChatPanel(speaker)
panel
"""
PREDICT = "from course_lib.panels import predict\npredict('k', ['a first', 'a second', 'a third'], question='Which?')"


def axe_faults(page, context=".course-panel"):
    """Serious faults, but for noUiSlider's handle: it cannot be given a name, and a named number stands beside each."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=context, options={"rules": {"region": {"enabled": False}}})
    serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    serious = [v for v in serious if not all("noUi-handle" in node["html"] for node in v["nodes"])]
    return [(v["id"], [n["html"][:200] for n in v["nodes"]][:3]) for v in serious]


def looks(one, name: str):
    """Behaviours 19 and 20 of the panel that is shown: names, a narrow dark page, paper."""
    assert not axe_faults(one.page)
    panel = one.page.locator(".course-panel").first
    one.page.evaluate("() => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'}); }")
    one.page.set_viewport_size({"width": 800, "height": 900})
    one.page.wait_for_timeout(1500)
    assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 2
    ink, ground = contrast_colours(one.page)
    assert abs(luminance(ink) - luminance(ground)) > 0.4, (ink, ground)
    assert not axe_faults(one.page), "on a dark page"
    ARTIFACTS.mkdir(exist_ok=True)
    panel.screenshot(path=ARTIFACTS / f"panel_{name}_dark.png")
    one.page.emulate_media(media="print")
    assert panel.locator(".course-plot img").first.is_visible()
    one.page.emulate_media(media="screen")
    one.page.evaluate("() => { window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'}); }")
    one.page.set_viewport_size({"width": 1280, "height": 900})
    one.page.wait_for_timeout(1000)


def restart(one, server):
    kernel = next(s["kernel"]["id"] for s in server.api("sessions") if s["path"] == one.name)
    server.api(f"kernels/{kernel}/restart", "POST")
    one.page.wait_for_timeout(1500)
    one.run_all()
    one.page.locator(".course-panel").first.wait_for(timeout=30_000)


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_that_answers_at_once(lab, server, name):
    make, moved, said = PANELS[name]
    one = lab(SETUP, make)
    panel = one.page.locator(".course-panel").first
    panel.wait_for(timeout=30_000)
    one.page.wait_for_timeout(500)
    height = panel.locator("img").first.bounding_box()["height"]
    assert abs(arrow(one, panel, moved) - height) <= 2
    looks(one, name)
    restart(one, server)
    assert said in one.status()
    arrow(one, panel, moved)
    assert not one.errors, one.errors


def test_the_chat_panel(lab, server):
    one = lab(CHAT)
    panel = one.page.locator(".course-panel").first
    panel.wait_for(timeout=60_000)
    message = one.page.get_by_label("message", exact=True)
    message.fill("Hello")
    one.number("tokens at most").fill("20")
    one.number("tokens at most").press("Tab")
    one.button("Send").click()
    one.wait_status("Done")
    assert re.search(r"20 tokens in [\d.]+ s", one.status())
    assert "You: Hello" in panel.locator("[role=log]").inner_text()
    picture = one.picture()
    one.button("What could come next?").click()
    until(lambda: one.picture() != picture, 20, "the next token's bars", one.page)
    # a long answer, stopped: what was said is kept
    one.number("tokens at most").fill("500")
    one.number("tokens at most").press("Tab")
    message.fill("Go on")
    one.button("Send").click()
    until(lambda: one.button("Stop").is_enabled(), 20, "Stop to be possible", one.page)
    assert message.is_disabled()
    one.page.wait_for_timeout(300)
    start = time.monotonic()
    one.button("Stop").click()
    until(lambda: re.search("Stopped|Done", one.status()), 10, "it to stop", one.page)
    assert time.monotonic() - start < 1.0
    assert "You: Go on" in panel.locator("[role=log]").inner_text()
    looks(one, "chat")
    restart(one, server)
    one.button("Send").click()
    one.wait_status("Done")
    assert not one.errors, one.errors


def test_a_guess(lab, server):
    one = lab(PREDICT, "from course_lib.panels import answer\nprint('GUESS', answer('k'))", run=False)
    one.run_all()
    first = one.page.get_by_label("a first")
    first.wait_for(timeout=30_000)
    first.focus()
    one.page.keyboard.press("Tab")  # each choice is a stop of its own: JupyterLab keeps the arrow keys for its cells
    one.page.keyboard.press("Space")
    one.page.get_by_text("Noted: a second").wait_for(timeout=20_000)
    assert one.page.get_by_label("a second").is_checked()
    one.run_cell(1)
    until(lambda: "GUESS a second" in one.text_of(1), 20, "the guess to be known", one.page)
    assert one.page.locator(".jp-OutputArea-output [role=status][aria-live=polite]").count() == 1
    assert not axe_faults(one.page, ".jp-CodeCell .jp-Cell-outputWrapper")
    kernel = next(s["kernel"]["id"] for s in server.api("sessions") if s["path"] == one.name)
    server.api(f"kernels/{kernel}/restart", "POST")
    one.page.wait_for_timeout(1500)
    one.run_all()
    until(lambda: "GUESS None" in one.text_of(1), 20, "a new beginning", one.page)
    assert not one.errors, one.errors
