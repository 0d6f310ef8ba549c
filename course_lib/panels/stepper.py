"""The step-by-step panel: a slider walks an RNN along a sentence, while attention has it all at once."""

from __future__ import annotations

import io
import math
import threading
import time
from collections.abc import Sequence

import ipywidgets as widgets
import torch
from PIL import Image

from course_lib.checks import require, require_int
from course_lib.drawing import SENTENCE, filmstrip, step_by_step
from course_lib.models.attention import attention_weights
from course_lib.panels.live import LivePanel, linked_slider
from course_lib.panels.runner import must_block
from course_lib.style import Plot

__all__ = ["StepByStep"]


class StepByStep(LivePanel):
    """A sentence word by word through an RNN, and all at once through attention. The weights are untrained.

    words: 2 to 10 words. Displayed as a live widget, with a filmstrip of all steps as its picture.
    """

    pause = 0.9  # seconds a step is shown while it plays

    def __init__(self, words: Sequence[str] = SENTENCE, seed: int = 0):
        require(2 <= len(words) <= 10, f"words must hold 2 to 10 words, got {len(words)}")
        self.words = tuple(words)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            query, key = torch.randn(2, len(words), 8)
        self.weights = attention_weights(query * math.sqrt(2), key)  # (T, T), rows sum to 1
        self._frames: dict[int, str] = {}
        T = len(words)
        self.slider, self.number = linked_slider("step", 0, 0, T, 1, label="50px", width="420px", continuous=True)
        # a button of our own: those of ipywidgets' Play have no name for a screen reader
        self.play = widgets.Button(description="Play", icon="play", layout=widgets.Layout(width="90px"))
        self.play.on_click(lambda _: self._play())
        self.arrange([[self.play, self.slider, self.number]])
        self.slider.observe(lambda change: self._show(change["new"]), "value")
        self._show(0)

    def frame(self, step: int) -> Plot:
        """The picture after `step` steps, 0 … T."""
        step = require_int("step", step, least=0)
        require(step <= len(self.words), f"step must be ≤ {len(self.words)}, got {step}")
        return step_by_step(self.words, self.weights.tolist(), step)

    def gif(self, path, seconds: float = 0.9) -> None:
        """Write all steps as a looping GIF, for pages that cannot run widgets."""
        frames = [Image.open(io.BytesIO(self.frame(step).png(100))).convert("P", palette=Image.Palette.ADAPTIVE, colors=64) for step in range(len(self.words) + 1)]
        durations = [round(1000 * seconds)] * (len(frames) - 1) + [round(2500 * seconds)]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0, optimize=True)

    def _play(self) -> None:
        self.play.disabled = True
        if must_block():
            self._walk()
        else:
            threading.Thread(target=self._walk, daemon=True).start()

    def _walk(self) -> None:
        """All steps, one after the other."""
        for step in range(len(self.words) + 1):
            self.slider.value = step
            time.sleep(self.pause)
        self.play.disabled = False

    def _show(self, step: int) -> None:
        if step not in self._frames:
            self._frames[step] = self.frame(step).img(760)
        self.image.value = self._frames[step]
        T = len(self.words)
        done = "nothing has happened yet" if not step else f"the RNN has read {step} of {T} words; attention was done after step 1"
        self.say(f"Step {step}: {done}.")

    def still(self) -> Plot:
        """All steps, as a filmstrip."""
        return filmstrip(self.words, self.weights.tolist())
