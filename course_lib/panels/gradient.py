"""The gradient panel: how a cell starts, turned by a slider, decides how far back it can learn."""

from __future__ import annotations

import ipywidgets as widgets
import torch

from course_lib.checks import require, require_choice
from course_lib.models import RNN
from course_lib.models.initialise import gradient_by_lag, identity, orthogonal
from course_lib.panels.live import LivePanel, linked_slider
from course_lib.plotting import gradient_plot
from course_lib.style import Plot

__all__ = ["GradientPanel", "start_rnn"]

STARTS = ("random", "orthogonal", "identity")
LIMITS = (1e-12, 1e6)  # of the plot: it must not move with the slider


def start_rnn(start: str, radius: float, nonlinearity: str = "tanh", D: int = 64, seed: int = 0) -> RNN:
    """An RNN whose recurrent matrix has this spectral radius (largest |eigenvalue|): random, orthogonal or identity."""
    require_choice("start", start, STARTS)
    require(radius > 0, f"radius must be > 0, got {radius}")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        cell = RNN(8, D, nonlinearity)
        if start == "random":
            cell.weight_hh *= radius / torch.linalg.eigvals(cell.weight_hh).abs().max()
            return cell
        return orthogonal(cell, radius) if start == "orthogonal" else identity(cell, radius)


class GradientPanel(LivePanel):
    """Spectral radius, kind of start and activation → gradient against lag, computed at once.

    Displayed as a live widget, with a picture of several radii for pages that cannot run widgets.
    """

    def __init__(self, start: str = "orthogonal", radius: float = 1.0, nonlinearity: str = "tanh"):
        def choose(what, options, value):
            return widgets.Dropdown(options=options, value=value, description=what, style={"description_width": "75px"}, layout=widgets.Layout(width="230px"))

        self.slider, self.number = linked_slider("spectral radius", radius, 0.3, 1.7, 0.05, "radius (number)", label="110px", width="460px")
        self.start = choose("start", STARTS, start)
        self.nonlinearity = choose("activation", ("tanh", "relu"), nonlinearity)
        self.arrange([[self.slider, self.number], [self.start, self.nonlinearity]])
        for widget in (self.slider, self.start, self.nonlinearity):
            widget.observe(lambda _: self._show(), "value")
        self._show()

    def values(self, radius: float) -> list[float]:
        """The gradient at lag 0 … 100, relative to lag 0, of the chosen start at this radius."""
        return gradient_by_lag(start_rnn(self.start.value, radius, self.nonlinearity.value), generator=torch.Generator().manual_seed(0))

    def _show(self) -> None:
        radius = round(self.slider.value, 2)
        values = self.values(radius)
        name = f"{self.start.value}, {self.nonlinearity.value}"
        self.show(gradient_plot({"RNN": values, "radius alone": [radius**lag for lag in range(101)]}, limits=LIMITS))
        fate = "vanished" if values[-1] < 0.01 else "exploded" if values[-1] > 100 else "still there"
        self.say(f"{name}, radius {radius:g}: at lag 100 the gradient is {values[-1]:.1e} of what it is at lag 0: <b>{fate}</b>.")

    def still(self) -> Plot:
        """The chosen start at five radii, as one picture."""
        return gradient_plot({f"radius {radius:g}": self.values(radius) for radius in (0.5, 0.8, 1.0, 1.2, 1.5)}, limits=LIMITS)
