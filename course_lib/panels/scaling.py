"""The cost panel: train a published model on chips of your choice, and see what its depth would cost an RNN."""

from __future__ import annotations

import html

import ipywidgets as widgets

from course_lib.checks import InputError
from course_lib.panels.live import LivePanel
from course_lib.scaling import DEVICES, PRESETS, recurrent_ticks, training_seconds
from course_lib.style import INK, PARALLEL, SEQUENTIAL, Plot, styled

__all__ = ["CostPanel", "cost_plot", "times_of"]

# Seconds of one recurrent step on a GPU: LSTM, width 768, from 1,024 steps in 147 ms (a loop in Python) and 2.0 ms (cuDNN)
STEP_LOOP, STEP_FUSED = 147e-3 / 1024, 2.0e-3 / 1024  # Pöppel et al. 2024, FlashRNN


def times_of(name: str, device: str, count: int, utilisation: float, tokens: float, batch_tokens: float) -> dict[str, float] | None:
    """Days of training: the arithmetic alone, and with an RNN's steps of the same depth waiting for each other.

    None for a device without a published peak.
    """
    model = PRESETS[name]
    seconds = training_seconds(model.training_flops(tokens), device, count, utilisation)
    if seconds is None:
        return None
    waits = {
        "Transformer: arithmetic alone": 0.0,
        "RNN, wavefront, fused steps": recurrent_ticks(model, tokens, batch_tokens, wavefront=True) * STEP_FUSED,
        "RNN, layer after layer, fused": recurrent_ticks(model, tokens, batch_tokens) * STEP_FUSED,
        "RNN, layer after layer, loop": recurrent_ticks(model, tokens, batch_tokens) * STEP_LOOP,
    }
    return {what: (seconds + wait) / 86_400 for what, wait in waits.items()}


@styled
def cost_plot(days: dict[str, float], title: str) -> Plot:
    """One bar a way of training, in days; the first bar's length is marked in the others."""
    plot = Plot(height=2.5)
    ax = plot.subplots()
    names, values = list(days), list(days.values())
    ax.barh(range(len(names)), values, 0.62, color=[PARALLEL] + [SEQUENTIAL] * (len(names) - 1))
    ax.axvline(values[0], color=INK, lw=1, ls="--")
    for i, value in enumerate(values):
        ax.annotate(_days_text(value), (value, i), (4, 0), textcoords="offset points", va="center")
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    ax.grid(visible=False, axis="y")
    ax.set_xlim(0, 1.28 * max(values))
    ax.set_xlabel("days of training")
    ax.set_title(title)
    plot.alt = f"Bars, {title}: " + "; ".join(f"{name} {_days_text(value)}" for name, value in days.items())
    return plot


def _days_text(days: float) -> str:
    if days >= 730:
        return f"{days / 365.25:,.0f} years"
    return f"{days:,.0f} days" if days >= 10 else f"{days:.1f} days" if days >= 1 else f"{24 * days:.1f} hours"


class CostPanel(LivePanel):
    """Model, chips, utilisation, tokens and price → days, money, memory; computed at once, nothing is measured."""

    def __init__(self, model: str = "GPT-3 175B", device: str = "A100 80GB", count: int = 1024, utilisation: float = 0.34):
        def choose(what, options, value, width):
            return widgets.Dropdown(options=list(options), value=value, description=what, style={"description_width": "55px"}, layout=widgets.Layout(width=width))

        style, wide = {"description_width": "190px"}, widgets.Layout(width="330px")
        self.model = choose("train", PRESETS, model, "250px")
        self.device = choose("on", DEVICES, device, "210px")
        self.slider = widgets.FloatLogSlider(value=count, base=2, min=0, max=17, step=0.5, description="chips", readout=False, continuous_update=False, layout=widgets.Layout(width="420px"), style={"description_width": "55px"})
        self.count = widgets.BoundedIntText(value=count, min=1, max=200_000, description="chips (number)", style=style, layout=wide)
        self.utilisation = widgets.BoundedFloatText(value=utilisation, min=0.01, max=1, step=0.01, description="utilisation (share of peak)", style=style, layout=wide)
        self.tokens = widgets.BoundedFloatText(value=300, min=0.001, max=100_000, step=10, description="tokens (billions)", style=style, layout=wide)
        self.batch = widgets.BoundedFloatText(value=3.2, min=0.001, max=1000, step=0.1, description="tokens a batch (millions)", style=style, layout=wide)
        self.price = widgets.BoundedFloatText(value=2.0, min=0, max=1000, step=0.1, description="your price of a chip-hour ($)", style=style, layout=wide)
        self.arrange([[self.model, self.device], [self.slider, self.count], [self.utilisation, self.tokens], [self.batch, self.price]])
        self.slider.observe(lambda change: setattr(self.count, "value", max(1, round(change["new"]))), "value")
        self.model.observe(lambda _: self._take_tokens(), "value")
        for widget in (self.model, self.device, self.count, self.utilisation, self.tokens, self.batch, self.price):
            widget.observe(lambda _: self._show(), "value")
        self._show()

    def _take_tokens(self) -> None:
        self.tokens.value = (PRESETS[self.model.value].tokens or 300e9) / 1e9

    def still(self) -> Plot:
        """The chosen run as bars."""
        days = times_of(self.model.value, self.device.value, self.count.value, self.utilisation.value, self.tokens.value * 1e9, self.batch.value * 1e6)
        return cost_plot(days, f"{self.model.value} on {self.count.value:,} × {self.device.value}, {self.utilisation.value:.0%} of peak")

    def summary(self) -> str:
        """What the chosen run takes, in one sentence or two."""
        model, device, tokens = PRESETS[self.model.value], DEVICES[self.device.value], self.tokens.value * 1e9
        flops = model.training_flops(tokens)
        hours = training_seconds(flops, self.device.value, 1, self.utilisation.value) / 3600
        held = model.memory(B=1)
        least = sum(held[part] for part in ("weights", "gradients", "Adam")) / device.memory
        return (
            f"{model.parameters / 1e9:,.1f} billion weights × {tokens / 1e9:,.0f} billion tokens × 6 = {flops:.2e} FLOPs: {hours:,.0f} chip-hours, "
            f"${hours * self.price.value:,.0f} at your price. Weights, gradients and Adam fill at least {least:,.1f} chips."
        )

    def _show(self) -> None:
        try:
            self.show(self.still())
            text = html.escape(self.summary())
        except InputError as error:
            text = f"<b>Not computed:</b> {html.escape(str(error))}"
        self.say(text)

    def caption(self, plain: str) -> str:
        """The figures, which are the point of this panel."""
        return f"[panel] {self.summary()}"
