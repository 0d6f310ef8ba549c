"""`predict`: the reader commits to a guess before seeing. It never blocks, and no answer is an answer too."""

from __future__ import annotations

import html
from collections.abc import Sequence

import ipywidgets as widgets

from course_lib.checks import require

__all__ = ["predict", "answer"]

_answers: dict[str, str] = {}  # the page's memory: key → choice


def answer(key: str) -> str | None:
    """What the reader chose for `key`, or None."""
    return _answers.get(key)


class Prediction:
    """A question with its choices; `.answer` is the choice made so far, or None."""

    def __init__(self, key: str, choices: Sequence[str], question: str = ""):
        require(len(choices) >= 2, f"choices must hold at least two, got {len(choices)}")
        self.key, self.choices, self.question = key, list(choices), question or "What do you expect?"
        _answers.pop(key, None)
        self.buttons = widgets.RadioButtons(options=self.choices, value=None, layout=widgets.Layout(width="auto"))
        self.note = widgets.HTML('<div role="status" aria-live="polite">No guess yet. You may go on without one.</div>')
        self.view = widgets.VBox([widgets.HTML(f"<b>Your guess first.</b> {html.escape(self.question)}"), self.buttons, self.note])
        self.buttons.observe(self._chosen, "value")

    @property
    def answer(self) -> str | None:
        return _answers.get(self.key)

    def _chosen(self, change):
        _answers[self.key] = change["new"]
        self.note.value = f'<div role="status" aria-live="polite">Noted: {html.escape(change["new"])}. You will see it beside the measurement.</div>'

    def _repr_mimebundle_(self, include=None, exclude=None):
        items = "".join(f"<li>{html.escape(choice)}</li>" for choice in self.choices)
        return {
            "application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id},
            "text/html": f"<b>Your guess first.</b> {html.escape(self.question)}<ul>{items}</ul>",
            "text/plain": f"Your guess first. {self.question} " + " / ".join(self.choices),
        }, {}


def predict(key: str, choices: Sequence[str], question: str = "") -> Prediction:
    """Ask for a guess and remember it under `key`; later plots show it beside what was measured."""
    return Prediction(key, choices, question)
