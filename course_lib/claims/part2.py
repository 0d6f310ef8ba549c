"""The rules of Part 2's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, claim, grows, power, times, when

CELL, GATES, BACK, SERIAL = "A cell that keeps", "What the gates do", "Learning over long gaps", "Still one step after another"
STILL_THERE = 0.01  # a gradient of at least a hundredth of what it is at lag 0 counts as still there


@claim("2.1", CELL, "An LSTM is a cell that is scaled and added to, and three gates.", "Hochreiter & Schmidhuber 1997; Gers et al. 2000")
def _(error: float, gradient_error: float):
    measured = f"largest difference to torch.nn.LSTM: outputs {power(error)}, gradients {power(gradient_error)}"
    return measured, HOLDS if max(error, gradient_error) <= 1e-4 else FAILS


@claim("2.2", GATES, "Each gate does work: what to forget, what to write, what to show.", "Greff et al. 2017")
def _(whole: float, pinned: dict[str, float]):
    measured = f"nats a letter: {whole:.2f}; trained with one gate held open: " + ", ".join(f"{gate} {loss:.2f}" for gate, loss in pinned.items())
    missed = [gate for gate, loss in pinned.items() if loss >= whole + 0.02]
    if len(missed) == len(pinned):
        return measured, HOLDS
    return measured, when(f"said of the {' and the '.join(missed)} gate") if missed else FAILS


@claim("2.3", GATES, "An LSTM learns to forget what it no longer needs.", "Gers et al. 2000")
def _(shut_at_boundary: float, shut_elsewhere: float, cost_at_boundary: float, cost_everywhere: float):
    measured = f"forget gates nearly shut (under 0.1): {shut_at_boundary:.0%} where a name ends, {shut_elsewhere:.0%} elsewhere; clearing the cell there cost {max(0, cost_at_boundary):.3f} nats a letter, at every letter {cost_everywhere:.3f}"
    useless = cost_at_boundary < 0.1 * cost_everywhere
    return measured, HOLDS if useless and shut_at_boundary > shut_elsewhere else FAILS


@claim("2.4", BACK, "An LSTM lets gradients through where an RNN's vanish.", "Hochreiter & Schmidhuber 1997; Gers et al. 2000")
def _(lag: int, rnn: float, default: float, opened: float):
    measured = f"gradient at lag {lag} ÷ at lag 0: RNN {rnn:.0e}, LSTM as PyTorch starts it {default:.0e}, with forget bias 3: {opened:.2g}"
    if opened < STILL_THERE:
        return measured, FAILS
    return measured, HOLDS if default >= STILL_THERE else when("its forget gates start open")


@claim("2.5", BACK, "An LSTM retains memory better than an RNN.", "Hochreiter & Schmidhuber 1997; Tallec & Ollivier 2018")
def _(seeds: int, adding: dict[str, int], recall: dict[str, int]):
    def told(solved):
        return ", ".join(f"{model}: {count}" for model, count in solved.items())

    measured = f"solved by how many of {seeds} seeds: adding ({told(adding)}), delayed recall ({told(recall)})"
    best = max(count for model, count in recall.items() if model.startswith("LSTM"))
    if adding["LSTM"] <= adding["RNN"] or best <= recall["RNN"]:
        return measured, FAILS
    return measured, HOLDS if recall["LSTM"] > recall["RNN"] else when("the task can be learnt from short gaps first, or the forget gates start open")


@claim("2.6", BACK, "A forget bias of 1 is enough.", "Jozefowicz et al. 2015; Tallec & Ollivier 2018")
def _(T: int, seeds: int, bias_1: int, bias_3: int, chrono: int):
    measured = f"delayed recall over {T} steps, solved by how many of {seeds} seeds: {bias_1} with bias 1, {bias_3} with bias 3, {chrono} with chrono"
    return measured, HOLDS if bias_1 >= max(bias_3, chrono) > 0 else FAILS


@claim("2.7", BACK, "A GRU does as well as an LSTM with fewer parts.", "Cho et al. 2014; Chung et al. 2014")
def _(gru_parameters: int, lstm_parameters: int, seeds: int, gru_solved: int, lstm_solved: int, gru_steps: float, lstm_steps: float):
    measured = f"weights {gru_parameters:,} against {lstm_parameters:,}; adding solved by {gru_solved} and {lstm_solved} of {seeds} seeds, after {gru_steps:,.0f} and {lstm_steps:,.0f} steps (medians)"
    good = gru_parameters < lstm_parameters and gru_solved >= lstm_solved > 0
    return measured, HOLDS if good and gru_steps <= 1.25 * lstm_steps else FAILS


@claim("2.8", SERIAL, "Gates do not change it: an LSTM or GRU must take one step after another.", "Martin & Cundy 2018; Feng et al. 2024")
def _(lstm_growth: str, gru_growth: str, scan_growth: str):
    measured = f"longest chain: LSTM {grows(lstm_growth)}, GRU {grows(gru_growth)}, MinGRU's doubling scan {grows(scan_growth)}"
    if (lstm_growth, gru_growth) != ("T", "T"):
        return measured, FAILS
    return measured, HOLDS if scan_growth == "T" else when("the gates look at the state")


@claim("2.9", SERIAL, "A recurrence whose gates see the input alone can be scanned, with the same result.", "Blelloch 1990; Martin & Cundy 2018; Feng et al. 2024")
def _(error: float, T: int, scan_growth: str):
    measured = f"{T} steps, loop against two scans, same weights and first state: largest difference {power(error)}; the doubling scan's chain {grows(scan_growth)}"
    return measured, HOLDS if error <= 1e-5 and scan_growth == "log T" else FAILS


@claim("2.10", SERIAL, "A scan is faster than the loop it replaces.", "Hillis & Steele 1986; Martin & Cundy 2018")
def _(T: int, doubling_over_loop, chunk_over_loop):
    measured = f"training step at T = {T:,}, time ÷ the step loop's: doubling scan {times(doubling_over_loop)}, chunked scan {times(chunk_over_loop)}"
    faster = [way for way, ratio in (("by doubling", doubling_over_loop), ("by chunks", chunk_over_loop)) if ratio.high < 1]
    return measured, HOLDS if len(faster) == 2 else when(f"it goes {faster[0]}") if faster else FAILS
