"""The heat-map panel: type a sentence, choose a layer and a head, and see who looks at whom, at once."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence

import ipywidgets as widgets
import torch
from torch import Tensor

from course_lib.attention_plots import heat_map, strongest
from course_lib.checks import InputError, require, require_int
from course_lib.models import EncoderDecoder
from course_lib.models.attention import causal_mask, window_mask
from course_lib.panels.live import LivePanel, linked_slider
from course_lib.style import Plot

__all__ = ["HeatmapPanel", "reshaped"]

MASKS = {
    "none": "none added", "causal": "no looking ahead", "window": "neighbours only (2 to each side)", "self": "not at itself",
}  # fmt: skip
MOST = 48  # words: more of them are no longer readable on a projector


def reshaped(weights: Tensor, temperature: float = 1.0, mask: str = "none") -> Tensor:
    """Attention weights (T, S) as they would be with scores divided by `temperature` and with another mask on.

    Exact, from the weights alone: softmax(s/τ) is proportional to softmax(s)^(1/τ), and a mask leaves the other
    weights in their proportions. A row in which nothing is left to look at becomes zeros.
    """
    require(temperature > 0, f"temperature must be > 0, got {temperature}")
    require(mask in MASKS, f"mask must be one of {', '.join(MASKS)}; got {mask!r}")
    T, S = weights.shape
    require(mask == "none" or T == S, f"mask {mask!r} is for words that look at each other, not for {T} looking at {S}")
    log = weights.double().log() / temperature  # (T, S); −∞ where a mask was on already
    if mask != "none":
        seen = {"causal": lambda: causal_mask(T), "window": lambda: window_mask(T, 3), "self": lambda: ~torch.eye(T, dtype=torch.bool)}[mask]()
        log = log.masked_fill(~seen, -torch.inf)
    return log.softmax(-1).nan_to_num(0.0).to(weights.dtype)


class HeatmapPanel(LivePanel):
    """A sentence through a model, and one head of it as a heat map with a table of its largest weights.

    model     an Encoder or Decoder; an EncoderDecoder (shown is the cross-attention: who of the target looks
              at whom of the source); or a function ids (1, T) → N tensors (H, T, T) or (1, H, T, T)
    read      text → (ids, words): a function, or a tokenizer of course_lib.pretrained
    target    for an EncoderDecoder: ids (1, S) → (ids, words) of the target
    layer, head   shown first, counted from 1

    Answers at once to a typed sentence, to layer, head, temperature and mask; the last two reshape the shown
    head alone (`reshaped`), not what the layers after it read. Displayed as a live widget, with the picture
    of the first choice for pages that cannot run widgets.
    """

    def __init__(
        self, model, read, text: str, target: Callable | None = None, layer: int = 1, head: int = 1, temperature: float = 1.0,
        mask: str = "none", title: str = "Who looks at whom",
    ):  # fmt: skip
        self._model, self._read, self._target = model, read if callable(read) else _reader(read), target
        require(not isinstance(model, EncoderDecoder) or target is not None, "an EncoderDecoder needs target: a function from source ids to the target's ids and words")
        self._title = title
        self._look(text)
        N, H = len(self._layers), self._layers[0].shape[0]
        require(require_int("layer", layer) <= N, f"layer must lie in 1…{N}, got {layer}")
        require(require_int("head", head) <= H, f"head must lie in 1…{H}, got {head}")
        self.text = widgets.Text(value=text, description="sentence", continuous_update=False, style={"description_width": "95px"}, layout=widgets.Layout(width="600px"))
        layers, self.layer = linked_slider("layer", layer, 1, N, 1, continuous=True)
        heads, self.head = linked_slider("head", head, 1, H, 1, continuous=True)
        warmth, self.temperature = linked_slider("temperature", temperature, 0.1, 5.0, 0.1, continuous=True)
        self.mask = _choose("mask", [(text, key) for key, text in MASKS.items()], mask)
        self.word = _choose("table of", self._word_options(), -1)
        self.table = widgets.HTML()
        rows = [[self.text], [layers, self.layer], [heads, self.head], [warmth, self.temperature], [self.mask, self.word]]
        self.arrange(rows, [self.table], title, bigger=True)
        self.text.observe(lambda _: self._typed(), "value")
        for widget in (self.layer, self.head, self.temperature, self.mask, self.word):
            widget.observe(lambda _: self._show(), "value")
        self._show()

    # -- the model ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def _look(self, text: str) -> None:
        """Run the model on a sentence and keep its words and all its weights. Raises InputError; then nothing changes."""
        ids, words = self._read(text)
        ids = torch.as_tensor(ids).reshape(1, -1)
        T = ids.shape[1]
        require(1 <= T <= MOST, f"a sentence must have 1 to {MOST} words or pieces of words, this one has {T}")
        if isinstance(self._model, EncoderDecoder):
            answer, rows = self._target(ids)
            layers = self._model.attention_weights(ids, torch.as_tensor(answer).reshape(1, -1)).cross
        else:
            rows = words
            layers = getattr(self._model, "attention_weights", self._model)(ids)
        self._layers = [layer[0] if layer.ndim == 4 else layer for layer in layers]  # (H, T, S) each
        self.rows, self.columns = list(rows), list(words)

    def weights(self) -> Tensor:
        """What is shown: (T, S), each row summing to 1 (or to 0, where a mask leaves nothing)."""
        head = self._layers[self.layer.value - 1][self.head.value - 1]
        return reshaped(head, self.temperature.value, self.mask.value)

    def still(self) -> Plot:
        """The picture of the present choice."""
        return heat_map(self.weights(), self.rows, self.columns, self._choice())

    # -- the view -----------------------------------------------------------------------------------------------

    def _choice(self) -> str:
        text = f"layer {self.layer.value}, head {self.head.value}" if len(self._layers) > 1 or len(self._layers[0]) > 1 else "one head"
        if self.temperature.value != 1:
            text += f", temperature {self.temperature.value:g}"
        return text + (f", {MASKS[self.mask.value]}" if self.mask.value != "none" else "")

    def _word_options(self) -> list[tuple[str, int]]:
        return [("all words", -1), *((f"{t + 1}: {word}", t) for t, word in enumerate(self.rows))]

    def _typed(self) -> None:
        try:
            self._look(self.text.value)
        except InputError as error:
            self.say(f"<b>Not shown:</b> {html.escape(str(error))}. The picture is still of the last sentence.")
            return
        self.word.options = self._word_options()
        self.word.value = -1
        self._show()

    def _show(self) -> None:
        try:
            weights, plot = self.weights(), self.still()
        except InputError as error:
            self.say(f"<b>Not shown:</b> {html.escape(str(error))}.")
            return
        self.show(plot)
        row = self.word.value if self.word.value is not None and self.word.value >= 0 else None
        found = strongest(weights, self.rows, self.columns, 8, row)
        cells = "".join(f"<tr><td>{html.escape(a)}</td><td style='text-align:left'>{html.escape(b)}</td><td>{w:.3f}</td></tr>" for a, b, w in found)
        self.table.value = f"<table class='course'><thead><tr><th scope='col'>who looks</th><th scope='col' style='text-align:left'>at whom</th><th scope='col'>weight</th></tr></thead><tbody>{cells}</tbody></table>"
        a, b, w = found[0]
        self.say(f"<b>{html.escape(self._choice().capitalize())}.</b> Strongest: {html.escape(a)} looks at {html.escape(b)} with {w:.0%} of its attention.")

    def caption(self, plain: str) -> str:
        """The title, and what the picture shows."""
        return f"[panel] {self._title}. {plain}"


def _reader(tokenizer) -> Callable[[str], tuple[list[int], Sequence[str]]]:
    def read(text):
        found = tokenizer.encode(text)
        return found.ids, [token.replace("Ġ", "").replace("##", "…") or "␣" for token in found.tokens]

    return read


def _choose(what: str, options, value):
    return widgets.Dropdown(options=options, value=value, description=what, style={"description_width": "95px"}, layout=widgets.Layout(width="330px"))
