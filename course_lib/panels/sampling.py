"""The sampling panel: temperature, top-k and top-p move the next token's probabilities, and the text, at once."""

from __future__ import annotations

import html

import ipywidgets as widgets
import torch
from torch import Tensor

from course_lib.checks import InputError, require, require_int
from course_lib.generation_plots import next_token_plot
from course_lib.models.generation import next_token_probabilities
from course_lib.panels.base import labelled_slider
from course_lib.panels.live import LivePanel, linked_slider
from course_lib.style import Plot

__all__ = ["SamplingPanel"]

SHOWN = 12  # bars
FOUR = {"temperature 1": {}, "temperature 0.5": {"temperature": 0.5}, "top-k 3": {"top_k": 3}, "top-p 0.6": {"top_p": 0.6}}


class SamplingPanel(LivePanel):
    """A prompt, three sliders, the likeliest next tokens as bars and a continuation drawn with the same settings.

    model: a Decoder. tokenizer: has `encode(text)` → ids (or an object with `.ids`) and `decode(ids)`. tokens: how
    many are written. Displayed as a live widget, with a picture of four settings for pages that cannot run widgets.
    """

    def __init__(self, model, tokenizer, prompt: str = "The", tokens: int = 60, temperature: float = 1.0, top_k: int | None = None, top_p: float = 1.0):
        self._model, self._tokenizer, self._tokens = model, tokenizer, require_int("tokens", tokens)
        self._draw, V = 0, model.config.V
        style = {"description_width": "95px"}
        self.prompt = widgets.Text(value=prompt, description="prompt", continuous_update=False, style=style, layout=widgets.Layout(width="640px"))
        self.temperature, t_number = linked_slider("temperature", temperature, 0.0, 3.0, 0.05)
        row_k, self.k_slider, self.top_k = labelled_slider("k", f"top-k ({V}: all)", V if top_k is None else top_k, 1, V)
        self.top_p, p_number = linked_slider("top-p", top_p, 0.0, 1.0, 0.05)
        self.again = widgets.Button(description="Draw again", icon="refresh", layout=widgets.Layout(width="130px"))
        self.text = widgets.HTML()
        self.arrange([[self.prompt], [self.temperature, t_number], [row_k], [self.top_p, p_number], [self.again]], below=[self.text], bigger=True)
        for widget in (self.prompt, self.temperature, self.top_k, self.top_p):
            widget.observe(lambda _: self._show(), "value")
        self.again.on_click(lambda _: self._draw_again())
        self._still = self._four()  # a wrong prompt is told here, before anything is shown
        self._show()

    def settings(self) -> dict:
        """The sliders as arguments of `generate`."""
        k = self.top_k.value
        return {"temperature": round(self.temperature.value, 2), "top_k": None if k >= self._model.config.V else k, "top_p": round(self.top_p.value, 2)}

    def logits(self, prompt: str) -> tuple[Tensor, Tensor]:
        """The prompt's ids (1, T), and the logits of the token after it (V,). Raises InputError for an empty prompt, or one that is too long."""
        require(bool(prompt), "the prompt is empty: type at least one letter")
        ids = self._tokenizer.encode(prompt)
        ids = torch.tensor([getattr(ids, "ids", ids)], device=next(self._model.parameters()).device)  # (1, T)
        room = self._model.config.T_max - ids.shape[1]
        require(room >= 1, f"the prompt has {ids.shape[1]} tokens, and the context ends at {self._model.config.T_max}: shorten it")
        training = self._model.training
        with torch.no_grad():
            logits = self._model.eval()(ids)[0, -1].float().cpu()  # (V,)
        self._model.train(training)
        return ids, logits

    def name(self, token: int) -> str:
        """How a token is written: a space shows as ·, a line's end as ⏎, what a plot's font cannot show as �."""
        text = self._tokenizer.decode([token]).replace(" ", "·").replace("\n", "⏎")
        return "".join(c if c.isprintable() and c < "\u3000" else "�" for c in text)

    def plot(self, logits: Tensor, settings: dict[str, dict], title: str = "") -> Plot:
        """The likeliest tokens, before and after each of the settings."""
        before, order = logits.softmax(-1).topk(min(SHOWN, len(logits)))
        after = {name: next_token_probabilities(logits, **one)[order].tolist() for name, one in settings.items()}
        return next_token_plot([self.name(int(i)) for i in order], before.tolist(), after, title)

    def still(self) -> Plot:
        """The first prompt's next token at four settings, as one picture."""
        return self._still

    def _four(self) -> Plot:
        _, logits = self.logits(self.prompt.value)
        return self.plot(logits, FOUR, f"“{self.prompt.value}” …")

    def _draw_again(self) -> None:
        self._draw += 1
        self._show()

    def _show(self) -> None:
        settings = self.settings()
        try:
            ids, logits = self.logits(self.prompt.value)
            p = next_token_probabilities(logits, **settings)
            new = min(self._tokens, self._model.config.T_max - ids.shape[1])
            out = self._model.generate(ids, new, seed=self._draw, **settings)[0, ids.shape[1] :].tolist()
        except InputError as error:
            self.say(f"<b>Not drawn:</b> {html.escape(str(error))}. The picture shows the last settings.")
            return
        words = "greedy" if settings["temperature"] == 0 else f"temperature {settings['temperature']:g}"
        words += f", top-k {settings['top_k']}" if settings["top_k"] else ""
        words += f", top-p {settings['top_p']:g}" if settings["top_p"] < 1 else ""
        self.show(self.plot(logits, {words: settings}))
        self.text.value = (
            f'<p style="white-space:pre-wrap;max-width:820px;line-height:1.5"><b>{html.escape(self.prompt.value)}</b>{html.escape(self._tokenizer.decode(out))}</p>'
        )
        kept = int((p > 0).sum())
        first = int(p.argmax())
        self.say(f"{words}: {kept:,} of {len(p):,} tokens can be drawn; the likeliest, “{html.escape(self.name(first))}”, with {p[first]:.0%}. Draw {self._draw + 1}.")
