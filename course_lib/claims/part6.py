"""The rules of Part 6's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, grows, power, times, when

STEPS, SCALE, ORDER, COST, LOOKUP, EXPLAIN = (
    "Four steps of attention", "Why √d", "Everywhere at once, and in no order", "What it costs", "Looking things up", "Who looks at whom, and why",
)  # fmt: skip


@claim("6.1", STEPS, "A query looks for, a key is found by, a value is passed on.", "Vaswani et al. 2017, §3.2")
def _(T: int, by_query: int, by_key: int, by_value: int, output_by_value: int):
    measured = f"rows of weights (of {T}) that moved with one word's query {by_query}, key {by_key}, value {by_value}; outputs that moved with its value {output_by_value}"
    return measured, HOLDS if (by_query, by_key, by_value, output_by_value) == (1, T, 0, T) else FAILS


@claim("6.2", STEPS, "Several heads are several attentions side by side.", "Vaswani et al. 2017, §3.2.2")
def _(H: int, error: float, parameters: int, parameters_one: int):
    measured = f"{H} heads against {H} single attentions, joined: largest difference {power(error)}; {parameters:,} weights, as one head of the full width has {parameters_one:,}"
    return measured, HOLDS if error <= 1e-5 and parameters == parameters_one else FAILS


@claim("6.3", SCALE, "Dividing by √d keeps the softmax from saturating.", "Vaswani et al. 2017, §3.2.1 and footnote 4")
def _(d: int, kept: float, lost: float, trained_d: int, solved: int, solved_without: int, small_without: int, seeds: int):
    measured = (
        f"gradient through the softmax at d = {d} ÷ at d = 1: {kept:.2g} with √d, {lost:.1g} without; recall learnt at d = {trained_d} by {solved} of {seeds} seeds with it, "
        f"{solved_without} without, {small_without} without it from smaller first weights"
    )
    if kept < 0.5 or lost > 0.5 * kept:
        return measured, FAILS
    harms = solved_without < solved
    if harms and small_without < solved:
        return measured, HOLDS
    return measured, when("queries and keys start out of size 1; small first weights keep it from saturating, too" if harms else "the softmax at the start is meant: training got along without")


@claim("6.4", ORDER, "Every word can reach every other word in one step.", "Vaswani et al. 2017, Table 1")
def _(open_share: float, window_share: float, growth: str, rnn_growth: str):
    measured = f"pairs of words joined by one layer: {open_share:.0%}, with a window {window_share:.0%}; longest chain {grows(growth)}, an RNN's {grows(rnn_growth)}"
    if open_share < 1 or growth != "1":
        return measured, FAILS
    return measured, HOLDS if window_share == 1 else when("nothing is masked")


@claim("6.5", ORDER, "Attention takes in the order of the words.", "Vaswani et al. 2017, §3.5; Lee et al. 2019")
def _(error_without: float, change_with: float):
    measured = f"words shuffled, outputs shuffled back: they differ by {power(error_without)} without positions, by {change_with:.1g} with them"
    if change_with <= 1e-5:
        return measured, FAILS
    return measured, when("positions are put in: by itself it reads a heap of words") if error_without <= 1e-5 else HOLDS


@claim("6.6", COST, "Attention needs memory that grows with the square of the length.", "Dao et al. 2022; Rabe & Staats 2021")
def _(naive_growth: str, fused_growth: str, T: int, naive_bytes: int, fused_bytes: int, naive_over_fused):
    measured = (
        f"peak memory as matrices {grows(naive_growth)}, fused {grows(fused_growth)}; at T = {T:,} {naive_bytes / 1e6:,.0f} MB against {fused_bytes / 1e6:,.0f} MB; "
        f"time as matrices ÷ fused {times(naive_over_fused)}"
    )
    if naive_growth != "T²":
        return measured, FAILS
    return measured, when("the matrix of weights is written to memory; a fused kernel never does") if fused_growth != "T²" else HOLDS


@claim("6.7", COST, "Attention is quicker than a recurrent network.", "Vaswani et al. 2017, §4; Appleyard et al. 2016")
def _(T: int, loop_over_fused, loop_over_naive, device: str):
    measured = f"T = {T:,}: RNN step loop ÷ fused attention {times(loop_over_fused)}, ÷ attention as matrices {times(loop_over_naive)} (on {device})"
    if loop_over_fused.low <= 1:
        return measured, FAILS
    return measured, HOLDS if loop_over_naive.low > 1 else when("its kernel is fused")


@claim("6.8", LOOKUP, "Attention looks up what it has read.", "Arora et al. 2023 (Zoology); Olsson et al. 2022")
def _(pairs: int, step: int, score: float, two: int, one: int, lstm: int, seeds: int, limit: int):
    measured = (
        f"{pairs} pairs: two layers {score:.0%} right after {step:,} steps; solved within {limit:,} steps at its best learning rate by "
        f"{two} of {seeds} seeds with two layers, {one} with one, {lstm} of an LSTM"
    )
    if score < 0.99 or two < seeds:
        return measured, FAILS
    return measured, HOLDS if one == seeds else when("it has two layers: one finds the word but not what stood behind it")


@claim("6.9", LOOKUP, "A head that finds the last time and reads on makes the copy.", "Olsson et al. 2022; Elhage et al. 2021")
def _(layer: int, head: int, attention: float, score: float, without: float, without_another: float):
    measured = (
        f"layer {layer}, head {head}: {attention:.0%} of its attention goes to what came next last time; right answers {score:.0%}, "
        f"{without:.0%} without this head, {without_another:.0%} without its neighbour"
    )
    if attention < 0.5 or without > 0.9 * score or without > without_another:
        return measured, FAILS
    return measured, HOLDS if without <= 0.5 * score else when("no other head steps in: here the others do a part of it")


@claim("6.10", LOOKUP, "A translator's attention aligns the words of two languages, untold.", "Bahdanau et al. 2015, figure 3")
def _(solved: bool, aligned: list[float]):
    measured = f"words whose largest weight lies on the word they translate: {', '.join(f'{a:.0%}' for a in aligned)} ({len(aligned)} runs)"
    if not solved or min(aligned) < 0.5:
        return measured, FAILS
    return measured, HOLDS if min(aligned) >= 0.95 else when("one looks at most words, not all")


@claim("6.11", EXPLAIN, "Attention weights explain the answer.", "Jain & Wallace 2019; Wiegreffe & Pinter 2019")
def _(score: float, top: list[float], frozen_uniform: float, permuted: float):
    measured = (
        f"{score:.0%} right; the deciding word has the largest weight in {', '.join(f'{t:.0%}' for t in top)} of the texts ({len(top)} trainings); "
        f"weights shuffled {permuted:.0%} right; trained with all weights equal {frozen_uniform:.0%} right"
    )
    if min(top) >= 0.9:
        return measured, HOLDS if frozen_uniform < 0.9 * score else when("the weights are read as where it looked; equal weights answer as well")
    return measured, FAILS


@claim("6.12", EXPLAIN, "In “The cat sat on the mat because it was tired”, attention sees that it is the cat.", "Clark et al. 2019; Vaswani et al. 2017, appendix")
def _(heads: int, cat: int, cat_when_mat: int, turned: int):
    measured = (
        f"of {heads} heads, “it” looks more at “cat” than at “mat” in {cat}; with “soft” for “tired” in {cat_when_mat}; {turned} turn from cat to mat with the meaning"
    )
    return measured + "; one pair of sentences decides nothing", FAILS if turned == 0 else UNTESTED
