"""How time and memory of a decoder's training step grow with T, B, D and N, beside what counting says.

`python -m tests.benchmarks.growth` writes growth.csv and growth.png beside this file. Theory: FLOPs counted
(forward and backward); for memory, what a block keeps for the way back and one gradient for each weight. An
exponent is the slope of a straight line through the last three points of the log–log plot.
"""

from __future__ import annotations

import datetime
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from course_lib.measure import by_device, count_flops, device_name, measure_time, peak_memory
from course_lib.models import Decoder, TransformerConfig
from course_lib.style import MUTED, PARALLEL, Plot, styled

HERE = Path(__file__).parent
BASE = dict(T=128, B=4, D=128, N=2)
# what a block keeps for the way back, in numbers for each token and unit of width: the stream before and after each of
# its two norms (4), queries, keys and values (3), what attention returns (1), the wide layer before and after GELU (8)
KEPT = 16
AXES = {"T": (64, 128, 256, 512, 1024, 2048), "B": (1, 2, 4, 8, 16, 32), "D": (32, 64, 128, 256, 512), "N": (1, 2, 4, 8, 16)}


def measure(axes=AXES, rounds: int = 7) -> pd.DataFrame:
    """One row an axis and value: seconds, bytes held at most, FLOPs counted."""
    device, rows = by_device(cpu="cpu", cuda="cuda"), []
    for axis, values in axes.items():
        for value in values:
            s = BASE | {axis: value}
            torch.manual_seed(0)
            model = Decoder(TransformerConfig(64, s["D"], s["N"], 4, s["T"])).to(device)
            ids = torch.randint(64, (s["B"], s["T"]), device=device)

            def step(schedule="sdpa", model=model, ids=ids):
                model(ids, schedule=schedule).square().mean().backward()
                model.zero_grad()

            flops = count_flops(lambda s=step: s("naive"))  # as matrices: a fused kernel hides its products on a CPU
            expected = 4 * (KEPT * s["N"] * s["B"] * s["T"] * s["D"] + sum(p.numel() for p in model.parameters()))
            rows.append({"axis": axis, "value": value, "seconds": measure_time(step, rounds).median_s, "flops": flops, "bytes": peak_memory(step, device), "expected_bytes": expected})
    stamp = {"device": device_name(device), "threads": torch.get_num_threads(), "torch": torch.__version__, "date": datetime.date.today().isoformat()}
    return pd.DataFrame(rows).assign(**stamp)


def exponent(x, y) -> float:
    """The slope of log y against log x over the last three points."""
    return float(np.polyfit(np.log(np.asarray(x, float)[-3:]), np.log(np.asarray(y, float)[-3:]), 1)[0])


@styled
def draw(table: pd.DataFrame) -> Plot:
    plot = Plot(8.5, 4.6)
    axes = plot.subplots(2, table["axis"].nunique(), sharey="row", squeeze=False)
    told = []
    for column, (axis, rows) in enumerate(table.groupby("axis", sort=False)):
        x = rows["value"]
        for ax, name, theory in ((axes[0, column], "seconds", "flops"), (axes[1, column], "bytes", "expected_bytes")):
            ax.plot(x, rows[name], color=PARALLEL, marker="o")
            scale = rows[name].iloc[-1] / rows[theory].iloc[-1] if theory == "flops" else 1  # counted work, moved to meet the last point
            ax.plot(x, rows[theory] * scale, color=MUTED, ls="--")
            title = f"{axis}: {exponent(x, rows[name]):.2f} ({exponent(x, rows[theory]):.2f})"
            told.append(f"{name} against {title}")
            ax.set(xscale="log", yscale="log")
            ax.set_xticks(list(x), [f"{v}" for v in x], rotation=45)
            ax.minorticks_off()
            ax.set_title(title, loc="center", fontsize=9)
    plot.suptitle("Slope measured, in brackets theory's (dashed: FLOPs counted; bytes a block keeps)", fontsize=10)
    axes[0, 0].set_ylabel("seconds a step")
    axes[1, 0].set_ylabel("bytes held")
    plot.alt = "Eight log–log plots of a training step. " + "; ".join(told)
    return plot


def main() -> int:
    torch.set_num_threads(by_device(2, torch.get_num_threads()))
    table = measure()
    table.to_csv(HERE / "growth.csv", index=False, float_format="%.5g")
    (HERE / "growth.png").write_bytes(draw(table).png())
    for axis, rows in table.groupby("axis", sort=False):
        print(f"{axis}: seconds ∝ {axis}^{exponent(rows['value'], rows['seconds']):.2f}, FLOPs ∝ {axis}^{exponent(rows['value'], rows['flops']):.2f}; bytes ∝ {axis}^{exponent(rows['value'], rows['bytes']):.2f}, expected {axis}^{exponent(rows['value'], rows['expected_bytes']):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
