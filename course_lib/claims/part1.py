"""The rules of Part 1's claims, and of claim 6. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, claim, power, times, when

STATE, BACK, WRITING, LENGTH = "The hidden state", "Learning from the past", "Writing names", "Longer than anything seen"
STILL_THERE = 0.01  # a gradient of at least a hundredth of what it is at lag 0 counts as still there


@claim("1.1", STATE, "A hidden state finds structure that lies in the order of things alone.", "Elman 1990")
def _(task: str, step: int, score: float, baseline: float, goal: float):
    measured = f"{task}: {score:.2f} nats after {step:,} steps; {baseline:.2f} without memory, {goal / 1.02:.2f} at best"
    return measured, HOLDS if score <= goal else FAILS


@claim("1.2", STATE, "An RNN has the same number of weights for a sequence of any length.", "Elman 1990; Goodfellow et al. 2016, §10.1")
def _(parameters_short: int, parameters_long: int, T_short: int, T_long: int):
    measured = f"{parameters_short:,} weights read {T_short} words, {parameters_long:,} read {T_long:,}"
    return measured, HOLDS if parameters_short == parameters_long else FAILS


@claim("1.3", BACK, "Backpropagation through time is the chain rule on the unrolled network.", "Werbos 1990")
def _(error: float):
    return f"gradients by hand against autograd: largest difference {power(error)}", HOLDS if error <= 1e-5 else FAILS


@claim("1.4", BACK, "Gradients through an RNN vanish or explode.", "Bengio et al. 1994; Pascanu et al. 2013")
def _(lag: int, ratios: dict[str, float]):
    measured = f"gradient at lag {lag} ÷ at lag 0: " + ", ".join(f"{start} {ratio:.1g}" for start, ratio in ratios.items())
    kept = [start for start, ratio in ratios.items() if STILL_THERE <= ratio <= 1 / STILL_THERE]
    if len(kept) == len(ratios):
        return measured, FAILS
    return measured, when(f"the start is not chosen against it: {kept[0]} kept it") if kept else HOLDS


@claim("1.5", BACK, "Clipping the gradient tames its explosions.", "Mikolov 2012; Pascanu et al. 2013")
def _(task: str, clipped: int, unclipped: int, seeds: int):
    measured = f"{task} solved by {clipped} of {seeds} seeds with clipping, by {unclipped} of {seeds} without"
    return measured, HOLDS if clipped == seeds > unclipped else FAILS


@claim(6, "The sequential bottleneck of RNNs", "Long-term dependencies fade in a recurrent network.", "Bengio et al. 1994; Le et al. 2015; Tallec & Ollivier 2018")
def _(cell: str, lag: int, default: float, repair: str, repaired: float):
    measured = f"gradient at lag {lag} ÷ at lag 0: {cell} as it usually starts {default:.0e}, with {repair} {repaired:.2g}"
    if default >= STILL_THERE:
        return measured, FAILS
    return measured, when("it starts in the usual way: the start can be repaired") if repaired >= STILL_THERE else HOLDS


@claim("1.6", WRITING, "A recurrent network predicts text better than counting does.", "Mikolov et al. 2010")
def _(network: float, counts: dict[int, float]):
    best = min(counts, key=counts.get)
    measured = f"perplexity a letter on unseen names: RNN {network:.2f}, best n-gram ({best} letters) {counts[best]:.2f}, two letters {counts[2]:.2f}"
    if network >= counts[2]:
        return measured, FAILS
    return measured, HOLDS if network < counts[best] else when("the counting looks at few letters at a time")


@claim("1.7", LENGTH, "There are tasks that an RNN learns on short sequences and can then do on long ones.", "Delétang et al. 2023; Chen et al. 2018")
def _(task: str, trained_to: int, T: int, fitted: float, longer: float):
    measured = f"{task}, trained on at most {trained_to} steps: {fitted:.0%} right at {trained_to}, {longer:.0%} at {T}"
    if fitted < 0.99:
        return measured + "; it did not fit its own lengths", FAILS
    return measured, HOLDS if longer >= 0.99 else FAILS


@claim("1.8", LENGTH, "An RNN is slow because it must take one step after another.", "Appleyard et al. 2016; Vaswani et al. 2017, §4")
def _(T: int, loop_over_attention, hoisted_over_attention, device: str):
    measured = f"T = {T}, time ÷ fused attention: step loop {times(loop_over_attention)}, inputs hoisted {times(hoisted_over_attention)} (on {device})"
    if loop_over_attention.low <= 1:
        return measured, FAILS
    return measured, HOLDS if hoisted_over_attention.low > 1 else when("it is written as a plain loop")
