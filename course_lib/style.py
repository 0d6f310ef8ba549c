"""The look shared by all plots and drawings: one style file, one colour and marker per contestant, alt text."""

from __future__ import annotations

import base64
import functools
import html
import io
import os
import threading
from dataclasses import dataclass
from pathlib import Path

import matplotlib.style
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["Plot", "styled", "Look", "contrast", "in_words", "look_of", "INK", "MUTED", "SEQUENTIAL", "PARALLEL"]

STYLE = Path(__file__).with_name("course.mplstyle")
_drawing = threading.RLock()  # matplotlib's settings are global, and panels draw from worker threads

INK, MUTED = "#222222", "#666666"
# Okabe & Ito's palette: told apart with every kind of colour vision, and by lightness in a grey print.
COLOURS = {
    "rnn": "#D55E00", "lstm": "#009E73", "gru": "#CC79A7", "mingru": "#56B4E9", "mean": "#6A3D9A", "attention": "#0072B2", "transformer": "#222222",
    "encoder": "#0072B2", "bilstm": "#005F45", "BiLSTM": "#005F45", "BiLSTM, 2 layers": "#8CC63F",
    # the models of the recorded evidence: a family keeps its hue
    "two layers": "#0072B2", "one layer": "#56B4E9", "divided by √d": "#0072B2", "not divided": "#D55E00",
    "RNN": "#D55E00", "LSTM": "#009E73", "LSTM bias 1": "#8CC63F", "LSTM bias 3": "#005F45", "LSTM chrono": "#333333",
    "GRU": "#CC79A7", "MinGRU": "#56B4E9", "RNN orthogonal": "#A87900", "RNN identity": "#7A2E00", "clipped": "#D55E00", "not clipped": "#666666", "radius alone": "#666666", "Transformer": "#0072B2",
    "skip": "#0072B2", "PPMI + SVD": "#A87900", "PPMI": "#B8B8B8",
}  # fmt: skip
SEQUENTIAL, PARALLEL = COLOURS["rnn"], COLOURS["attention"]
SCHEDULE_MARKS = {
    "loop": ("o", "-"), "hoisted": ("s", (0, (5, 2))), "fused": ("^", (0, (4, 1.5, 1, 1.5))), "doubling": ("v", (0, (1, 1.2))),
    "chunk": ("d", "-"), "scan": ("p", (0, (6, 1.5, 1, 1.5))), "naive": ("s", (0, (5, 2))), "sdpa": ("D", "-"), "block": ("P", "-"), "graph": ("*", (0, (1, 1.2))), "compiled": ("X", (0, (3, 1))),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """How a contestant is drawn, the same in every plot of the course."""

    color: str
    marker: str
    linestyle: object

    def line(self) -> dict:
        return {"color": self.color, "marker": self.marker, "linestyle": self.linestyle}


def contrast(color: str) -> float:
    """How much a colour stands out on white paper, 1 … 21 (WCAG 2.1, contrast ratio)."""
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 1.05 / (sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear)) + 0.05)


@functools.cache
def in_words(color: str) -> str:
    """The colour for words: darkened as far as letters need, on a screen and in a grey print (contrast ≥ 4.5)."""
    while contrast(color) < 4.5:
        color = to_hex([0.96 * c for c in to_rgb(color)])
    return color


def look_of(name: str) -> Look:
    """The look of a contestant such as "rnn-loop": colour from its family, marker and dashes from its schedule."""
    family, _, schedule = name.partition("-")
    marker, dashes = SCHEDULE_MARKS.get(schedule, ("o", "-"))
    if name == "attention-loop":
        marker, dashes = "x", (0, (1, 1.2))
    return Look(COLOURS.get(family, INK), marker, dashes)


class Plot(Figure):
    """A matplotlib Figure that shows itself in a notebook as a PNG with alt text, without pyplot."""

    def __init__(self, width: float = 6.5, height: float = 3.6, alt: str = "", **options):
        super().__init__(figsize=(width, height), layout="constrained", **options)
        self.alt = alt

    def png(self, dpi: int = 144) -> bytes:
        """The picture as PNG bytes, on an opaque background."""
        buffer = io.BytesIO()
        with _drawing, matplotlib.style.context(STYLE):
            self.savefig(buffer, format="png", dpi=dpi, facecolor="white")
        small = io.BytesIO()  # 256 colours are enough for a plot, in a third of the bytes
        Image.open(buffer).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "png")
        return small.getvalue()

    def img(self, width: int, png: str = "") -> str:
        """An HTML image of fixed proportions with alt text (the page does not jump when it changes); png: in base64, if at hand."""
        height, png = round(width * self.get_figheight() / self.get_figwidth()), png or base64.b64encode(self.png()).decode()
        return f'<img width="{width}" height="{height}" alt="{html.escape(self.alt, quote=True)}" src="data:image/png;base64,{png}">'

    def _repr_mimebundle_(self, include=None, exclude=None):
        width = round(self.get_figwidth() * 100)
        png = base64.b64encode(self.png()).decode()
        data = {"image/png": png, "text/plain": f"[plot] {self.alt}"}
        if os.environ.get("JPY_SESSION_NAME"):  # a page looks on: JupyterLab gives alt text to HTML, and none to a PNG
            data["text/html"] = self.img(width, png)
        return data, {"image/png": {"width": width, "alt": self.alt}}


def styled(draw):
    """Decorator: draw with the course's style, one drawing at a time."""

    @functools.wraps(draw)
    def drawn(*args, **kwargs):
        with _drawing, matplotlib.style.context(STYLE):
            return draw(*args, **kwargs)

    return drawn
