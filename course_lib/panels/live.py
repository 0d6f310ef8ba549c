"""What panels share that answer at once: inputs, a status line, a picture that follows them. Nothing is timed or stopped."""

from __future__ import annotations

import html
from abc import ABC, abstractmethod
from collections.abc import Sequence

import ipywidgets as widgets

from course_lib.panels.base import STYLE
from course_lib.style import Plot

__all__ = ["LivePanel", "linked_slider"]


class LivePanel(ABC):
    """Rows of inputs above a status line and a picture.

    A subclass makes its inputs, hands them to `arrange`, answers them by `say` and `show`, and gives as `still`
    the picture for pages that cannot run widgets.
    """

    def arrange(self, rows: Sequence[Sequence[widgets.Widget]], below: Sequence[widgets.Widget] = (), title: str = "", bigger: bool = False) -> None:
        """Lay the panel out: self.view. With `bigger` the last row gets a switch for bigger type, self.big."""
        self.status = widgets.HTML().add_class("course-status")
        self.image = widgets.HTML().add_class("course-plot")
        rows = [list(row) for row in rows]
        if bigger:
            self.big = widgets.Checkbox(value=False, description="bigger type", indent=False, layout=widgets.Layout(width="120px"))
            rows[-1].append(self.big)
        wrap = widgets.Layout(flex_flow="row wrap", align_items="center")
        head = widgets.HTML(STYLE + (f"<h4 style='margin:0'>{html.escape(title)}</h4>" if title else ""))
        self.view = widgets.VBox([head, *(widgets.HBox(row, layout=wrap) for row in rows), self.status, self.image, *below]).add_class("course-panel")
        if bigger:
            self.big.observe(lambda _: (self.view.add_class if self.big.value else self.view.remove_class)("course-big"), "value")

    def say(self, text: str) -> None:
        """Put HTML into the status line; screen readers read it out."""
        self.status.value = f'<div role="status" aria-live="polite">{text}</div>'

    def show(self, plot: Plot) -> None:
        """Put a plot into the picture's place."""
        self.image.value = plot.img(760)

    @abstractmethod
    def still(self) -> Plot:
        """The picture for a page without a kernel."""

    def caption(self, plain: str) -> str:
        """What a terminal shows in place of the panel; `plain` is what it shows of the picture."""
        return plain

    def _repr_mimebundle_(self, include=None, exclude=None):
        shown, metadata = self.still()._repr_mimebundle_()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id}
        return {"application/vnd.jupyter.widget-view+json": view, **shown, "text/plain": self.caption(shown["text/plain"])}, metadata


def linked_slider(what: str, value, least, most, step, number: str | None = None, label: str = "95px", width: str = "360px", continuous: bool = False):
    """A slider, and beside it a labelled number for keyboard and screen reader: same value.

    Whole numbers where `step` is one. Returns (slider, number); both are disabled where there is nothing to choose.
    """
    whole, fixed = isinstance(step, int), least == most
    slider = (widgets.IntSlider if whole else widgets.FloatSlider)(
        value=value, min=least, max=most, step=step, description=what, readout=False, continuous_update=continuous, disabled=fixed,
        style={"description_width": label}, layout=widgets.Layout(width=width),
    )  # fmt: skip
    box = (widgets.BoundedIntText if whole else widgets.BoundedFloatText)(
        value=value, min=least, max=most, step=step, description=number or f"{what} (number)", disabled=fixed,
        style={"description_width": "150px"}, layout=widgets.Layout(width="235px"),
    )  # fmt: skip
    plain = (lambda v: v) if whole else (lambda v: round(v, 6))  # a slider says 1.0000000000000002 after a step
    widgets.link((slider, "value"), (box, "value"), transform=(plain, plain))
    return slider, box
