"""A recurrent cell with a way in and a way out: embedding (or numbers) → cells → one linear readout. And two cells, one for each way."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.checks import require, require_choice, require_int
from course_lib.models.recurrent import LSTM, Recurrent

__all__ = ["Bidirectional", "SequenceModel"]


class Bidirectional(nn.Module):
    """Two cells over one sequence, one from the left and one from the right, their outputs side by side.

    x (B, T, D_in) → (B, T, D), None: each cell gives D/2 numbers a word, and there is no last state, for the two
    end at opposite sides. The cells' schedules. Equal to torch.nn.LSTM(…, bidirectional=True) (tested). Schuster
    & Paliwal 1997; with LSTMs: Graves & Schmidhuber 2005.
    """

    def __init__(self, D_in: int, D: int, cell: type[Recurrent] = LSTM, device=None, dtype=None):
        super().__init__()
        self.D_in, self.D = D_in, require_int("D", D, least=2)
        require(D % 2 == 0, f"D must be even, half for each direction, got {D}")
        self.rightward, self.leftward = (cell(D_in, D // 2, device=device, dtype=dtype) for _ in range(2))
        self.schedules = cell.schedules

    def forward(self, x: Tensor, state=None, schedule: str = "loop") -> tuple[Tensor, None]:
        require(state is None, "a bidirectional layer starts from both ends and takes no state")
        right = self.rightward(x, schedule=schedule)[0]  # (B, T, D/2)
        left = self.leftward(x.flip(1), schedule=schedule)[0].flip(1)  # (B, T, D/2)
        return torch.cat((right, left), -1), None  # (B, T, D)


class SequenceModel(nn.Module):
    """cell(s) between an embedding and a linear head: ids (B, T) or numbers (B, T, D_in) → outputs (B, T, D_out).

    embed: the number V of input ids, each looked up as a vector of the first cell's D_in numbers; None when
    the inputs are numbers already. Several cells are stacked, each reading the one below. schedule: how the
    cells run (recurrent.py); by default whichever is quickest.

    >>> model = SequenceModel(LSTM(16, 64), 27, embed=27)      # a character model
    >>> model(ids).shape                                       # (B, T, 27)
    """

    def __init__(self, cell: Recurrent | Bidirectional | list, D_out: int, embed: int | None = None, schedule: str | None = None):
        super().__init__()
        kinds = (Recurrent, Bidirectional)
        cells = [cell] if isinstance(cell, kinds) else list(cell)
        require(len(cells) > 0 and all(isinstance(c, kinds) for c in cells), "cell must be a recurrent cell or a list of them")
        for below, above in zip(cells, cells[1:]):
            require(above.D_in == below.D, f"a cell reading width {above.D_in} cannot stand on one of width {below.D}")
        for c in cells:
            require_choice("schedule", schedule, (None, *c.schedules))
        self.embedding = None if embed is None else nn.Embedding(require_int("embed", embed), cells[0].D_in)
        self.cells = nn.ModuleList(cells)
        self.head = nn.Linear(cells[-1].D, require_int("D_out", D_out))
        self.schedule = schedule

    def forward(self, inputs: Tensor, states: list | None = None, return_states: bool = False):
        """ids (B, T) or numbers (B, T, D_in) → (B, T, D_out), with `return_states` also each cell's last state."""
        x = self._enter(inputs, 2)  # (B, T, D_in)
        states = [None] * len(self.cells) if states is None else states
        after = []
        for cell, state in zip(self.cells, states):
            x, state = cell(x, state, schedule=self.schedule or self._quickest(cell, x))  # (B, T, D)
            after.append(state)
        outputs = self.head(x)  # (B, T, D_out)
        return (outputs, after) if return_states else outputs

    def step(self, inputs: Tensor, states: list | None = None) -> tuple[Tensor, list]:
        """One time step: ids (B,) or numbers (B, D_in), states before → outputs (B, D_out), states after."""
        both_ways = any(isinstance(cell, Bidirectional) for cell in self.cells)
        require(not both_ways, "a bidirectional model must have the whole sequence before its first answer: it cannot go step by step")
        x, after = self._enter(inputs, 1), []
        for cell, state in zip(self.cells, [None] * len(self.cells) if states is None else states):
            after.append(cell.step(x, state))
            x = cell.output(after[-1])  # (B, D)
        return self.head(x), after

    @torch.no_grad()
    def generate(self, start: Tensor, steps: int, temperature: float = 1.0, stop: int | None = None, generator: torch.Generator | None = None) -> Tensor:
        """Write on from `start` (B, T): each answer is drawn, then read. Gives ids (B, ≤ steps).

        temperature 0 always takes the likeliest id. With `stop` writing ends when every row has drawn that
        id; what a row draws after it is `stop` again. Needs D_out = V. Drawn on the CPU.
        """
        require(self.embedding is not None, "generate needs a model of ids (embed=V)")
        require(temperature >= 0, f"temperature must be ≥ 0, got {temperature}")
        outputs, states = self(start, return_states=True)
        logits, written = outputs[:, -1], []  # (B, V)
        done = torch.zeros(len(start), dtype=torch.bool, device=start.device)
        for _ in range(require_int("steps", steps)):
            if temperature == 0:
                ids = logits.argmax(-1)  # (B,)
            else:
                p = (logits / temperature).softmax(-1).cpu()  # (B, V)
                ids = torch.multinomial(p, 1, generator=generator).squeeze(1).to(start.device)  # (B,)
            if stop is not None:
                ids = ids.masked_fill(done, stop)
                done |= ids == stop
            written.append(ids)
            if done.all():
                break
            logits, states = self.step(ids, states)
        return torch.stack(written, 1)  # (B, ≤ steps)

    def _enter(self, inputs: Tensor, dims: int) -> Tensor:
        if self.embedding is None:
            return inputs
        good = inputs.ndim == dims and not inputs.is_floating_point()
        require(good, f"inputs must be ids of shape {'(B, T)' if dims == 2 else '(B,)'}, got {inputs.dtype} of shape {tuple(inputs.shape)}")
        return self.embedding(inputs)

    @staticmethod
    def _quickest(cell: Recurrent | Bidirectional, x: Tensor) -> str:
        cell = cell.rightward if isinstance(cell, Bidirectional) else cell
        # measured: on a CPU the library wins for the LSTM alone, on a GPU (cuDNN) for all three
        return "fused" if isinstance(cell, LSTM) or (x.is_cuda and "fused" in cell.schedules) else "hoisted"
