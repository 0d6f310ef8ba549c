"""The chat panel: talk to a real language model, see its words come one by one, and what else it might have said."""

from __future__ import annotations

import copy
import html
import time
from pathlib import Path

import ipywidgets as widgets
import pandas as pd
import torch

from course_lib import data
from course_lib.checks import require
from course_lib.learning_plots import bar_plot
from course_lib.models.generation import next_token_probabilities
from course_lib.models.quantised import quantise
from course_lib.panels.base import Panel
from course_lib.panels.live import linked_slider
from course_lib.panels.runner import State
from course_lib.pretrained import chat_prompt, load
from course_lib.pretraining import load_small

__all__ = ["ChatPanel", "Speaker"]

WEIGHTS = ("float32", "eight bits")
RECORDED = Path(__file__).parent.parent / "recorded" / "chat.csv"


class Speaker:
    """A model one can talk to: SmolLM2, or, where it is not fetched, the small one that comes with the course.

    `note` is "" or says plainly what stands in for what. The small model only continues a text; it answers nothing.
    """

    def __init__(self, model=None, tokenizer=None):
        self.note = ""
        if model is None and data.available("smollm2"):
            model, tokenizer = load("smollm2")
        self.chats = model is not None
        if not self.chats:
            model, tokenizer, about = load_small()
            size = sum(p.numel() for p in model.parameters())
            self.note = (
                f"SmolLM2 is not here (get it with `python -m course_lib fetch smollm2`). A model of {size / 1e6:.1f} million weights, "
                "trained in this course, stands in for it: it continues your text, and answers nothing."
            )
        self.model, self.tokenizer = model, tokenizer
        self.stops = (tokenizer.token_to_id("<|im_end|>"),) if self.chats else ()
        self._light: Speaker | None = None

    def light(self) -> Speaker:
        """The same with its weights in eight bits, made when first asked for."""
        if self._light is None:
            self._light = copy.copy(self)
            self._light.model = quantise(self.model)
        return self._light

    def ids(self, messages: list[dict], new: int) -> torch.Tensor:
        """The conversation as the model reads it, with room for `new` tokens; the oldest messages go first.  # (1, T)"""
        room = self.model.config.T_max - new
        require(room >= 1, f"the model's context holds {self.model.config.T_max} tokens; ask for fewer than that")
        if not self.chats:
            return torch.tensor([self.tokenizer.encode(messages[-1]["content"])[-room:]])
        ids = self.tokenizer.encode(chat_prompt(messages)).ids
        while len(ids) > room and len(messages) > 1:
            messages = messages[1:]
            ids = self.tokenizer.encode(chat_prompt(messages)).ids
        require(len(ids) <= room, f"the message is too long: {len(ids)} tokens, and the context leaves room for {room}")
        return torch.tensor([ids])

    def decode(self, ids: list[int]) -> str:
        return self.tokenizer.decode([i for i in ids if i not in self.stops])

    def stream(self, messages: list[dict], new: int, temperature: float):
        """Yields the ids of the answer, one by one."""
        seed = None if temperature else 0
        for token in self.model.stream(self.ids(messages, new), new, temperature, top_p=0.95, stop_tokens=self.stops, seed=seed):
            yield int(token)

    @torch.no_grad()
    def next(self, messages: list[dict], so_far: list[int], temperature: float = 1.0, k: int = 8) -> list[dict]:
        """The k likeliest tokens after what has been said so far, with their probabilities."""
        ids = torch.cat((self.ids(messages, len(so_far) + 1), torch.tensor([so_far], dtype=torch.long)), 1)  # (1, T)
        p = next_token_probabilities(self.model(ids)[:, -1].float(), temperature or 1.0)[0]  # (V,)
        best = p.topk(k)
        names = [self.tokenizer.decode([i]) if i not in self.stops else "(end)" for i in best.indices.tolist()]
        return [{"token": name, "p": value} for name, value in zip(names, best.values.tolist())]


class ChatPanel(Panel):
    """Type, press Send, and read the answer as it is written; Stop keeps what has been said. Weights of eight bits answer faster.

    speaker: one that is loaded already (else it is loaded at the first message, which takes some seconds).
    """

    name = "chat"
    title = "Talk to a language model"
    run_text = "Send"

    def __init__(self, speaker: Speaker | None = None, mode: str = "auto", projector: bool = False):
        self.speaker, self.messages, self._answer, self._job, self._told = speaker, [], [], "chat", 0
        super().__init__(mode, projector)

    def build(self):
        wide = widgets.Layout(width="640px", max_width="calc(100% - 4px)", height="62px")
        self.message = widgets.Textarea(value="Why is the sky blue?", description="message", layout=wide, style={"description_width": "95px"})
        self.temperature, self.number = linked_slider("temperature", 0.0, 0.0, 2.0, 0.1, width="300px")
        self.new = widgets.BoundedIntText(value=60, min=1, max=500, description="tokens at most", layout=widgets.Layout(width="190px"), style={"description_width": "110px"})
        self.clear = widgets.Button(description="New conversation", layout=widgets.Layout(width="150px"))
        self.what_else = widgets.Button(description="What could come next?", layout=widgets.Layout(width="200px"))
        self.clear.on_click(lambda _: self.forget())
        self.what_else.on_click(lambda _: self.start_next())
        self.weights = widgets.Dropdown(options=WEIGHTS, description="weights", layout=widgets.Layout(width="225px"), style={"description_width": "95px"})
        self.inputs = [self.message, self.temperature, self.number, self.new, self.weights, self.clear, self.what_else]
        row = widgets.HBox([self.temperature, self.number, self.new], layout=widgets.Layout(flex_flow="row wrap"))
        return [self.message, row, widgets.HBox([self.weights, self.clear, self.what_else], layout=row.layout)]

    def config(self) -> dict:
        require(self.message.value.strip() != "" or self._job == "next", "the message is empty: type something first")
        return {"new": self.new.value, "temperature": round(self.temperature.value, 1), "light": self.weights.value != WEIGHTS[0]}

    # -- what the buttons do ----------------------------------------------------------------------------

    def start(self) -> None:
        """Send the message."""
        if not self.runner.busy:
            self._job = "chat"
            if self.message.value.strip():
                self.messages.append({"role": "user", "content": self.message.value.strip()})
                self._answer = []
            super().start()

    def start_next(self) -> None:
        """Show the probabilities of the token after the answer so far."""
        if not self.runner.busy:
            self._job = "next"
            if not self.messages:
                self.messages.append({"role": "user", "content": self.message.value.strip() or "Hello"})
            super().start()

    def forget(self) -> None:
        """Begin a new conversation."""
        if not self.runner.busy:
            self.messages, self._answer, self.table.value = [], [], ""

    def work(self, config, report):
        report.tick(0.0, "loading the model")
        self.speaker = self.speaker or Speaker()
        if config["light"]:
            report.tick(0.0, "rounding the weights")
        speaker = self.speaker.light() if config["light"] else self.speaker
        said = [m for m in self.messages if m is not self._open()]
        if self._job == "next":
            past = f"{said[-1]['content']} {speaker.decode(self._answer)}"
            for row in speaker.next(said, self._answer, config["temperature"]):
                report.row(row | {"prompt": past})
            return
        began = time.perf_counter()
        for n, token in enumerate(speaker.stream(said, config["new"], config["temperature"]), 1):
            report.row({"token": token, "seconds": time.perf_counter() - began})
            report.tick(n / config["new"], f"{n} tokens")

    # -- what is shown ----------------------------------------------------------------------------------

    def _open(self) -> dict | None:
        """The answer being written, or the last one written."""
        return self.messages[-1] if self.messages and self.messages[-1]["role"] == "assistant" else None

    def _changed(self, runner):
        if self._job == "chat" and runner.rows:
            self._answer = [row["token"] for row in list(runner.rows)]
            if self._open() is None:
                self.messages.append({"role": "assistant", "content": ""})
            self.messages[-1]["content"] = self.speaker.decode(self._answer)
            self.table.value = self._transcript()
        elif self._job == "next" and runner.rows and not runner.busy:
            self.plot.value = self.draw(runner.rows)[0].img(760)
        self._say()

    def _say(self) -> None:
        super()._say()
        runner = self.runner
        if self._job == "chat" and runner.state in (State.DONE, State.STOPPED) and runner.rows:
            seconds, n = runner.rows[-1]["seconds"], len(runner.rows)
            word = "Stopped" if runner.state is State.STOPPED else "Done"
            self._status(f"<b>{word}:</b> {n} tokens in {seconds:.1f} s, {n / max(seconds, 1e-9):.1f} tokens a second. {html.escape(self.speaker.note)}")

    def _input_changed(self) -> None:
        """A typed message makes nothing stale."""

    def _transcript(self) -> str:
        rows = (f"<div style='margin:6px 0'><b>{'You' if m['role'] == 'user' else 'Model'}:</b> {html.escape(m['content'])}</div>" for m in self.messages)
        return f"<div role='log' aria-live='polite' style='max-width:760px;line-height:1.5;white-space:pre-wrap;overflow-wrap:anywhere'>{''.join(rows)}</div>"

    def draw(self, rows):
        bars: dict[str, float] = {}
        for row in rows:
            name = _drawable(str(row["token"]).replace(" ", "␣")) or "(nothing)"
            while name in bars:
                name += " "
            bars[name] = row["p"]
        past = _drawable(" ".join(str(rows[0]["prompt"]).removesuffix("…").split()))
        if len(past) > 34:
            past = "… " + (past[-34:].partition(" ")[2] or past[-34:])  # from a word's beginning, where there is one
        return bar_plot(bars, "probability", f"After “{past}”: what could come next"), ""

    def recorded(self):
        if not RECORDED.exists():
            return [], ""
        table = pd.read_csv(RECORDED, keep_default_na=False)
        row = table.iloc[0]
        return table.to_dict("records"), f"after “{row['prompt']}”: {row['model']}, {row['tokens_per_s']:.0f} tokens a second on {row['device']}, {row['date']}"


def _drawable(text: str) -> str:
    """What the plots' font can show, on one line."""
    return "".join(c if c in "↵␣“”…’–—" or (c.isprintable() and ord(c) < 0x250) else "·" for c in text.replace("\n", "↵"))
