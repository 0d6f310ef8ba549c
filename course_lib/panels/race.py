"""The race panel: choose who races and how long the sequences are, press Run, and see the times cross."""

from __future__ import annotations

import base64
import html
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
import torch

from course_lib.checks import InputError, require, require_choice, require_int
from course_lib.measure import by_device
from course_lib.panels.base import Panel, labelled_slider
from course_lib.panels.predict import answer
from course_lib.plotting import race_plot, seconds_text, speedup_plot
from course_lib.profile_plots import PLOTS
from course_lib.race import CONTESTANTS, DEFAULT_CONTESTANTS, FAIRNESS, PASSES, load_race, race, settings_of
from course_lib.race.profile import PATH_LENGTHS, PROFILES
from course_lib.race.settings import DTYPES

__all__ = ["RacePanel", "lengths_up_to"]

RECORDED = Path(__file__).parent.parent / "recorded"
BY_HOW_MUCH = {"about equal": 1, "2 times": 2, "5 times": 5, "10 times": 10, "50 times": 50, "100 times or more": 100}


def lengths_up_to(T: int) -> list[int]:
    """Powers of two from 16 to T, and T itself."""
    return [*(2**k for k in range(4, T.bit_length()) if 2**k < T), T]


class RacePanel(Panel):
    """Times the chosen contestants side by side at growing T, in this kernel, and plots the result.

    contestants: the names offered; the first `ticked` of them are chosen. recorded: a CSV in
    course_lib/recorded whose rows are shown before the first Run. guess: the key of an earlier `predict`,
    shown beside the measurement when no guess is made in the panel. T: the longest length at first,
    1,024 on a CPU and 4,096 on a GPU where it is not given.
    """

    name = "race"
    also = ("speed-up", *PLOTS)  # what can be looked at besides the times
    title = "The race: step loops against attention"

    def __init__(
        self, contestants=None, ticked: int | None = None, T: int | None = None, batch: int = 8, width: int = 128,
        pass_: str = "forward", recorded: str = "race_2_cores.csv", guess: str = "", mode: str = "auto", projector: bool = False,
    ):  # fmt: skip
        on_gpu = torch.cuda.is_available()
        T = by_device(1024, 4096) if T is None else T
        self._offered = list(contestants or (c.name for c in CONTESTANTS.values() if on_gpu or not c.wrapper))
        require_choice("pass_", pass_, PASSES)
        most_T = 16384 if on_gpu else 4096
        for name, value, least, most in (("T", T, 16, most_T), ("batch", batch, 1, 256), ("width", width, 16, 1024)):
            require(least <= require_int(name, value) <= most, f"{name} must lie in {least}…{most} here, got {value}")
        unknown = [name for name in self._offered if name not in CONTESTANTS]
        require(not unknown, f"unknown contestant {unknown[0] if unknown else ''!r}; there are {', '.join(CONTESTANTS)}")
        chosen = self._offered[: ticked or len(self._offered)] if contestants else DEFAULT_CONTESTANTS
        self._start_values = dict(T=T, batch=batch, width=width, pass_=pass_, chosen=chosen)
        self._on_gpu, self._most_T, self._recorded_file = on_gpu, most_T, RECORDED / recorded
        self._guess_key, self._guess, self._star, self._job, self._race_rows = guess, None, None, "race", []
        super().__init__(mode, projector)

    # -- inputs -----------------------------------------------------------------------------------------

    def build(self):
        start = self._start_values
        self.boxes = {
            name: widgets.Checkbox(value=name in start["chosen"], description=CONTESTANTS[name].label, indent=False, layout=widgets.Layout(width="215px"))
            for name in self._offered
        }
        row_T, self.T_slider, self.T = labelled_slider("T", "longest length T", start["T"], 16, self._most_T)
        row_B, self.B_slider, self.B = labelled_slider("B", "batch size B", start["batch"], 1, 256)
        row_D, self.D_slider, self.D = labelled_slider("D", "width D", start["width"], 16, 1024)

        def choose(what, options, value, width="215px"):
            return widgets.Dropdown(options=options, value=value, description=what, style={"description_width": "70px"}, layout=widgets.Layout(width=width))

        self.pass_ = choose("pass", [("forward", "forward"), ("training step", "train"), ("generation", "generate")], start["pass_"])
        self.fairness = choose("equal", [(f"{name}", name) for name in FAIRNESS], "width")
        self.heads = choose("heads", [1, 2, 4, 8, 16], 4)
        self.dtype = choose("dtype", list(DTYPES), "float32")
        self.device = choose("device", ["cpu", "cuda"] if self._on_gpu else ["cpu"], "cuda" if self._on_gpu else "cpu")
        cores = torch.get_num_threads()
        self.threads = choose("threads", sorted({1, cores}), cores)
        no_gpu = "" if self._on_gpu else "<span style='opacity:.75'>cuda cannot be chosen: torch sees no GPU here.</span>"
        self.guess_who = choose("my guess", [("–", ""), *((CONTESTANTS[n].label, n) for n in self._offered)], "", "330px")
        self.guess_much = choose("wins by", [("–", ""), *((text, text) for text in BY_HOW_MUCH)], "", "230px")
        self.inputs = [
            *self.boxes.values(), self.T_slider, self.T, self.B_slider, self.B, self.D_slider, self.D,
            self.pass_, self.fairness, self.heads, self.dtype, self.device, self.threads,
        ]  # fmt: skip
        self.second = choose("also show", self.also, "speed-up", "230px")
        self.show = widgets.Button(description="Show", layout=widgets.Layout(width="90px"))
        self.show.on_click(lambda _: self.start_second())
        self.second_plot = widgets.HTML().add_class("course-plot")
        wrap = widgets.Layout(flex_flow="row wrap")
        more = widgets.Accordion([widgets.VBox([
            widgets.HBox([self.heads, self.dtype, self.device, self.threads], layout=wrap), widgets.HTML(no_gpu),
        ])])  # fmt: skip
        more.set_title(0, "More: heads, dtype, device, threads")
        more.selected_index = None
        self.below = [widgets.HBox([self.second, self.show], layout=wrap), self.second_plot]
        return [
            widgets.HBox(list(self.boxes.values()), layout=wrap),
            row_T, row_B, row_D,
            widgets.HBox([self.pass_, self.fairness], layout=wrap),
            more,
            widgets.HBox([self.guess_who, self.guess_much], layout=wrap),
        ]  # fmt: skip

    def config(self) -> dict:
        names = [name for name, box in self.boxes.items() if box.value]
        require(names, "choose at least one contestant")
        settings = dict(
            batch=self.B.value, width=self.D.value, heads=self.heads.value, pass_=self.pass_.value, fairness=self.fairness.value,
            device=self.device.value, dtype=self.dtype.value, threads=self.threads.value,
        )  # fmt: skip
        settings_of(**settings)
        whole = [n for n in names if settings["pass_"] not in CONTESTANTS[n].passes]
        require(not whole, f"{', '.join(CONTESTANTS[n].label for n in whole)}: needs the whole sequence at once and cannot generate; untick it")
        guess = f"{CONTESTANTS[self.guess_who.value].label} wins, {self.guess_much.value or 'by some margin'}" if self.guess_who.value else None
        self._guess = guess or answer(self._guess_key)
        self._star = (self.guess_who.value, BY_HOW_MUCH[self.guess_much.value]) if self.guess_who.value and self.guess_much.value else None
        return {"contestants": names, "lengths": lengths_up_to(self.T.value), **settings}

    # -- measuring and showing --------------------------------------------------------------------------

    def start(self) -> None:
        if not self.runner.busy:
            self._job = "race"
            super().start()

    def start_second(self) -> None:
        """What the Show button does: measure (or, for the speed-up, only draw) the plot chosen beside it."""
        if self.runner.busy:
            return
        if self.second.value == "speed-up":
            self._draw_second("speed-up", self._race_rows)
            return
        self._job = self.second.value
        super().start()

    def work(self, config, report):
        if self._job == "race":
            race(**config, on_row=report.row, tick=report.tick, stop=report.stop)
            return
        names, lengths = config.pop("contestants"), config.pop("lengths")
        if self._job == "critical path":
            lengths = PATH_LENGTHS
        threads, settings = torch.get_num_threads(), settings_of(**config)
        torch.set_num_threads(settings.threads)
        try:
            for row in PROFILES[self._job](settings, names, lengths):
                report.row(row)
                share = (lengths.index(row["T"]) + 1) / len(lengths) if row["T"] in lengths else 0.5
                report.tick(0.99 * share, f"{self._job} of {CONTESTANTS[row['contestant']].label} at T = {row['T']:,}")
        finally:
            torch.set_num_threads(threads)

    def _changed(self, runner):
        if self._job == "race":
            super()._changed(runner)
            return
        if not runner.busy and runner.rows:
            self._draw_second(self._job, runner.rows)
        self._say()

    def _say(self) -> None:
        super()._say()
        self.show.disabled = self.runner.busy

    def _draw_second(self, kind: str, rows: list[dict]) -> None:
        try:
            plot = speedup_plot(pd.DataFrame(rows)) if kind == "speed-up" else PLOTS[kind](pd.DataFrame(rows))
        except InputError as error:
            self.second_plot.value = html.escape(str(error))
        else:
            self.second_plot.value = plot.img(860)

    def draw(self, rows):
        self._race_rows = rows
        table = pd.DataFrame(rows)
        return race_plot(table, prediction=self._guess, guess=self._star), _table_html(table)

    def recorded(self):
        if not self._recorded_file.exists():
            return [], ""
        table = load_race(self._recorded_file)
        table = table[table["contestant"].isin([name for name, box in self.boxes.items() if box.value])]
        if table.empty:
            return [], ""
        row = table.iloc[0]
        return table.to_dict("records"), f"on {row['device_name']}, {row['threads']} threads, torch {row['torch']}, {row['date']}"


def _table_html(table: pd.DataFrame) -> str:
    """Time per call, a row a length, and the whole table as a download."""
    names = list(dict.fromkeys(table["contestant"]))
    head = "".join(f"<th scope='col'>{html.escape(CONTESTANTS[n].label)}</th>" for n in names)
    body = []
    for T, rows in table.groupby("T"):
        cells = {row["contestant"]: seconds_text(row["median_s"]) if row["status"] == "ok" else row["status"] for row in rows.to_dict("records")}
        body.append(f"<tr><td>{T:,}</td>" + "".join(f"<td>{html.escape(cells.get(n, ''))}</td>" for n in names) + "</tr>")
    csv = base64.b64encode(table.to_csv(index=False).encode()).decode()
    link = f'<a download="race.csv" href="data:text/csv;base64,{csv}">Download all figures (CSV)</a>'
    return f"<table class='course'><thead><tr><th scope='col'>T</th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>{link}"


