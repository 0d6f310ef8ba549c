"""The map explorer: type a word and see what lies around it."""

from __future__ import annotations

import difflib
import html

import ipywidgets as widgets

from course_lib.checks import require, require_int
from course_lib.models.embedding import WordVectors
from course_lib.panels.live import LivePanel
from course_lib.style import Plot
from course_lib.word_plots import map_of_words

__all__ = ["MapPanel"]


class MapPanel(LivePanel):
    """Type a word: its nearest neighbours, and a map of them, from one of several sets of vectors, at once.

    vectors: name → WordVectors. Displayed as a live widget, with the first word's map for pages that cannot
    run widgets. Raises InputError for a first word that the first set does not have.
    """

    def __init__(self, vectors: dict[str, WordVectors], word: str, n: int = 24):
        require(len(vectors) > 0, "vectors must hold at least one set of word vectors")
        first = next(iter(vectors))
        require(word in vectors[first], f"{first} has no vector for {word!r}; choose another first word")
        self.vectors, self._word = vectors, word
        wide = {"description_width": "90px"}
        self.word = widgets.Text(value=word, description="word", continuous_update=False, style=wide, layout=widgets.Layout(width="260px"))
        self.source = widgets.Dropdown(options=list(vectors), value=first, description="vectors from", style=wide, layout=widgets.Layout(width="330px"))
        self.number = widgets.BoundedIntText(
            value=require_int("n", n, 4), min=4, max=60, description="neighbours", style=wide, layout=widgets.Layout(width="170px")
        )
        self.arrange([[self.word, self.source, self.number]])
        for widget in (self.word, self.source, self.number):
            widget.observe(lambda _: self._show(), "value")
        self._show()

    def map(self, word: str) -> Plot:
        """The word and its neighbours from the chosen vectors, by PCA."""
        chosen, n = self.vectors[self.source.value], self.number.value
        near = [other for other, _ in chosen.neighbours(word, min(n, len(chosen.words) - 1))]
        return map_of_words(chosen, {word: [word, *near]}, f"Around “{word}”: {len(near)} nearest words ({self.source.value})", height=4.6)

    def _show(self) -> None:
        word, chosen = self.word.value.strip().lower(), self.vectors[self.source.value]
        if word in chosen:
            near = ", ".join(f"{html.escape(other)} {cosine:.2f}" for other, cosine in chosen.neighbours(word, min(8, len(chosen.words) - 1)))
            text = f"Nearest to <b>{html.escape(word)}</b> (cosine): {near}."
            self.show(self.map(word))
        else:
            alike = difflib.get_close_matches(word, chosen.words, 3)
            hint = f" Spelt like it: {html.escape(', '.join(alike))}." if alike else ""
            text = f"There is no vector for <b>{html.escape(word) or 'an empty word'}</b> here: too rare, or not one word.{hint}"
        self.say(text)

    def still(self) -> Plot:
        """The first word's map."""
        return self.map(self._word)
