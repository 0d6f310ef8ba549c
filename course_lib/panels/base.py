"""What every panel shares: Run and Stop, progress, a status line, a plot; shown live and, on a page, recorded.

A panel is displayed as one bundle: the live widget, a PNG of a recorded and labelled result, and a line
of text, so that a page without a kernel (GitHub, a printout) still shows what was found.
"""

from __future__ import annotations

import html
from abc import ABC, abstractmethod

import ipywidgets as widgets

from course_lib.checks import InputError, require_choice
from course_lib.panels.runner import BUSY, Report, Runner, State, must_block
from course_lib.style import Plot

__all__ = ["Panel", "labelled_slider"]

STYLE = """<style>
.course-panel {border: 1px solid #8884; border-radius: 6px; padding: 10px 12px; max-width: 960px}
.course-panel .widget-label, .course-panel .widget-readout {color: inherit}
.course-panel .course-status {font-size: 14px; line-height: 1.5; min-height: 22px}
.course-panel .course-status b {font-weight: 600}
.course-panel .course-plot img {background: #fff; border-radius: 4px; max-width: 100%; height: auto; display: block}
.course-panel table.course {border-collapse: collapse; font-size: 13px; margin: 6px 0}
.course-panel table.course th, .course-panel table.course td {padding: 2px 10px; text-align: right; border-bottom: 1px solid #8884; background: none; color: inherit}
.course-panel table.course th:first-child, .course-panel table.course td:first-child {text-align: left}
.course-panel.course-big, .course-panel.course-big .course-status, .course-panel.course-big table.course,
.course-panel.course-big .widget-label, .course-panel.course-big button, .course-panel.course-big select,
.course-panel.course-big label, .course-panel.course-big input {font-size: 18px !important}
.course-panel a {text-decoration: underline; color: inherit}
.course-panel.course-big .widget-label {width: auto !important; min-width: max-content; overflow: visible}
.course-panel.course-big .widget-checkbox {width: 330px !important}
.course-panel.course-big .widget-dropdown, .course-panel.course-big .widget-text {width: auto !important}
.course-panel.course-big .course-plot img {width: 100%}
.course-panel.course-big .widget-button, .course-panel.course-big .jupyter-button {height: 36px; line-height: 32px}
@media print {.course-panel .widget-button, .course-panel .jupyter-button {display: none}}
</style>"""


def labelled_slider(name: str, what: str, value: int, least: int, most: int):
    """A slider over powers of two, and beside it a labelled number for keyboard and screen reader: same value.

    Returns (row, slider, number); read `number.value`.
    """
    slider = widgets.FloatLogSlider(
        value=value, base=2, min=(least - 1).bit_length(), max=(most - 1).bit_length(), step=1, readout=False,
        continuous_update=False, description=name, layout=widgets.Layout(width="340px"), style={"description_width": "30px"},
    )  # fmt: skip
    number = widgets.BoundedIntText(
        value=value, min=least, max=most, description=what, style={"description_width": "150px"}, layout=widgets.Layout(width="250px")
    )

    def from_slider(change):
        number.value = min(most, max(least, round(change["new"])))

    def from_number(change):
        if round(slider.value) != change["new"]:
            slider.unobserve(from_slider, "value")
            slider.value = min(slider.base**slider.max, max(slider.base**slider.min, change["new"]))
            slider.observe(from_slider, "value")

    slider.observe(from_slider, "value")
    number.observe(from_number, "value")
    return widgets.HBox([slider, number], layout=widgets.Layout(flex_flow="row wrap")), slider, number


class Panel(ABC):
    """Base of the panels. A subclass gives `name`, `title`, inputs, `work` (no widgets) and `draw`.

    mode: "auto", "worker" (a background thread; Stop works at once) or "cell" (in the cell itself, as Colab
    needs; stop it with the kernel's interrupt). projector: bigger type.
    """

    name = "panel"
    title = "Panel"
    run_text = "Run"

    def __init__(self, mode: str = "auto", projector: bool = False):
        require_choice("mode", mode, ("auto", "worker", "cell"))
        self._blocking = must_block() if mode == "auto" else mode == "cell"
        self.stale = False
        self.run = widgets.Button(description=self.run_text, button_style="primary", icon="play")
        self.halt = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.progress = widgets.FloatProgress(value=0, min=0, max=1, layout=widgets.Layout(width="240px"))
        self.big = widgets.Checkbox(value=projector, description="bigger type", indent=False, layout=widgets.Layout(width="120px"))
        self.status = widgets.HTML().add_class("course-status")
        self.plot = widgets.HTML().add_class("course-plot")
        self.table = widgets.HTML()
        self.runner = Runner(self.name, self._changed, self._blocking)
        self._shown_rows = -1
        self.inputs: list[widgets.Widget] = []  # disabled while measuring
        self.below: list[widgets.Widget] = []  # what stands under the plot
        body = self.build()  # fills self.inputs
        buttons = widgets.HBox([self.run, self.halt, self.progress, self.big], layout=widgets.Layout(align_items="center", flex_flow="row wrap"))
        self.view = widgets.VBox([widgets.HTML(STYLE + f"<h4 style='margin:0'>{html.escape(self.title)}</h4>"), *body, buttons, self.status, self.plot, self.table, *self.below])
        self.view.add_class("course-panel")
        self.run.on_click(lambda _: self.start())
        self.halt.on_click(lambda _: self.runner.stop())
        self.big.observe(lambda _: self._set_type(), "value")
        for widget in self.inputs:
            widget.observe(lambda _: self._input_changed(), "value")
        self._set_type()
        self.show_recorded()
        self._say()

    # -- what a subclass gives --------------------------------------------------------------------------

    def build(self) -> list[widgets.Widget]:
        """Make the inputs, list them in self.inputs, and return the rows of the panel above its buttons."""
        return []

    def config(self):
        """The inputs as plain values, read in the page's thread. Raises InputError."""
        return

    @abstractmethod
    def work(self, config, report: Report) -> None:
        """Measure; report.row(…) and report.tick(…). Runs in the worker and touches no widget."""

    @abstractmethod
    def draw(self, rows: list[dict]) -> tuple[Plot, str]:
        """Rows so far → the plot and the table's HTML."""

    def recorded(self) -> tuple[list[dict], str]:
        """A recorded result, and a label saying what it is."""
        return [], ""

    # -- the machinery ----------------------------------------------------------------------------------

    def start(self) -> None:
        """What the Run button does."""
        if self.runner.busy:
            return
        try:
            config = self.config()
        except InputError as error:
            self._status(f"<b>Not run:</b> {html.escape(str(error))}")
            return
        self.stale, self._shown_rows = False, 0
        self.runner.start(lambda report: self.work(config, report))

    def show_recorded(self) -> None:
        rows, self.label = self.recorded()
        self._recorded_plot = None
        if rows:
            self._recorded_plot, table = self.draw(rows)
            self.plot.value, self.table.value = self._recorded_plot.img(860), table
            self.runner.state = State.RECORDED

    def _input_changed(self) -> None:
        if not self.runner.busy:
            self.stale = self.runner.state is not State.READY
            self._say()

    def _changed(self, runner: Runner) -> None:
        """Called by the runner, on whichever thread; only traits are set, which any thread may do."""
        rows = list(runner.rows)
        if len(rows) != self._shown_rows and rows:
            self._shown_rows = len(rows)
            plot, self.table.value = self.draw(rows)
            self.plot.value = plot.img(860)
        self._say()

    def _say(self) -> None:
        runner, state = self.runner, self.runner.state
        busy = state in BUSY
        for widget in (*self.inputs, self.run):
            if widget.disabled != (busy or self.always_disabled(widget)):
                widget.disabled = busy or self.always_disabled(widget)
        self.halt.disabled = not busy or self._blocking or state is State.STOPPING
        self.progress.value = runner.fraction
        text = {
            State.RECORDED: f"<b>Recorded</b> {self.label}. Press {self.run_text} to measure on this machine.",
            State.READY: f"<b>Ready.</b> Press {self.run_text}.",
            State.WARMING: "<b>Warming up</b> …",
            State.MEASURING: f"<b>Measuring</b> {html.escape(runner.text)}",
            State.STOPPING: "<b>Stopping</b> …",
            State.DONE: "<b>Done:</b> measured on this machine.",
            State.STOPPED: f"<b>Stopped:</b> {len(runner.rows)} rows are kept.",
            State.FAILED: f"<b>It did not work:</b> {html.escape(runner.text)}",
        }[state]
        if busy and self._blocking:
            text += " To stop, interrupt the kernel (■)."
        if self.stale:
            text += " <b>Stale:</b> the inputs have changed since; the plot shows the old ones."
        self._status(text)

    def always_disabled(self, widget) -> bool:
        """Inputs that cannot be used on this machine."""
        return False

    def _status(self, text: str) -> None:
        value = f'<div role="status" aria-live="polite">{text}</div>'
        if self.status.value != value:
            self.status.value = value

    def _set_type(self) -> None:
        (self.view.add_class if self.big.value else self.view.remove_class)("course-big")

    def _repr_mimebundle_(self, include=None, exclude=None):
        data = {
            "application/vnd.jupyter.widget-view+json": {"version_major": 2, "version_minor": 0, "model_id": self.view.model_id},
            "text/plain": f"[panel] {self.title}",
        }
        metadata = {}
        if self._recorded_plot is not None:
            shown, more = self._recorded_plot._repr_mimebundle_()
            data |= {"image/png": shown["image/png"], "text/plain": f"[panel] {self.title}: recorded {self.label}. {self._recorded_plot.alt}"}
            metadata = more
        return data, metadata
