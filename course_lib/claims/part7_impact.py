"""The rules of Part 7's claims about history, benefits and other fields. Measurements → (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, grows, power, when
from course_lib.claims.part7 import BENEFITS, BOTTLENECK, FREE, WHAT

IMPACT, INSIGHT, UNIVERSAL = "Real-world impact", "Key insight", "Parallel processing makes Transformers universal"
GOOD = 0.9  # a classifier of ten digits that is right nine times in ten works


@claim(1, WHAT, "Reading a whole sequence in parallel came with the Transformer of 2017.", "Kalchbrenner et al. 2016; Gehring et al. 2017; Vaswani et al. 2017, §1–2")
def _(rnn_growth: str, convolution_growth: str, attention_growth: str):
    measured = f"longest chain of one layer: tanh RNN {grows(rnn_growth)}, convolution {grows(convolution_growth)}, attention {grows(attention_growth)}"
    if attention_growth != "1":
        return measured, FAILS
    return measured, when("attention is meant: convolutions read in parallel before it") if convolution_growth == "1" else HOLDS


@claim(8, BOTTLENECK, "The bottleneck kept RNNs from growing.", "Kaplan et al. 2020, figure 7; Jozefowicz et al. 2016")
def _(device: str, equal_words: float, equal_seconds: float, loop_seconds: float):
    measured = (
        f"LSTM's loss minus the Transformer's, equal parameters: {equal_words:+.2f} nats after as many words, {equal_seconds:+.2f} after as many seconds, "
        f"{loop_seconds:+.2f} where the LSTM is a plain step loop (on {device})"
    )
    least = 0.02  # nats; less is no difference between two trainings
    if max(equal_seconds, loop_seconds) <= least:
        return measured, FAILS
    if equal_seconds <= least:
        return measured, when("the LSTM is a plain step loop")
    return measured, when("it is one reason of two: word for word it learns less as well") if equal_words > least else HOLDS


@claim(14, FREE, "The figure: an RNN hands its hidden state from word to word.", "Elman 1990")
def _(rnn_hops: int, attention_hops: int, T: int):
    measured = f"from the first of {T} words to the last: {rnn_hops} hand-overs in the RNN, {attention_hops} in attention"
    return measured, HOLDS if rnn_hops == T - 1 > attention_hops else FAILS


@claim(22, BENEFITS, "Training takes days instead of weeks.", "Vaswani et al. 2017, §5.2; Wu et al. 2016")
def _(device: str, loop: float, fused: float):
    measured = f"time to the same loss on the same text, ÷ the Transformer's: LSTM step loop {loop:.1f}×, fused LSTM {fused:.1f}× (on {device})"
    if loop <= 1:
        return measured, FAILS
    return measured, HOLDS if fused >= 7 else when("the LSTM is a plain step loop" if fused <= 1 else "the factor is left open: a week to a day would be 7×")


@claim(24, BENEFITS, "The hardware is used efficiently.", "Chowdhery et al. 2022, Table 3; Dao et al. 2022")
def _(naive_share: float, fused_share: float, device: str):
    measured = f"of the FLOP/s of a large matrix product: attention as matrices {naive_share:.0%}, fused {fused_share:.0%} (on {device}; PaLM's whole training step: 46%)"
    if fused_share < 0.5:
        return measured, FAILS
    return measured, HOLDS if naive_share >= 0.5 else when("attention is one fused kernel")


@claim(26, BENEFITS, "Global dependencies make it generalise better.", "Delétang et al. 2023; Chen et al. 2018; Arora et al. 2023")
def _(scores: dict[str, tuple[float, float]]):
    measured = "right answers, best recurrent model against attention: " + ", ".join(f"{task} {r:.0%} against {a:.0%}" for task, (r, a) in scores.items())
    ahead, behind = ([t for t, (r, a) in scores.items() if sign * (a - r) > 0.02] for sign in (1, -1))
    if not behind:
        return measured, HOLDS if ahead else FAILS
    return measured, when(f"the task is {ahead[0]}, not {behind[0]}") if ahead else FAILS


@claim(27, BENEFITS, "It learns global dependencies from the start.", "Vaswani et al. 2017, Table 1; Olsson et al. 2022")
def _(hops: int, before: float, after: float, chance: float):
    measured = f"the path is {hops} step long at any distance; weight on the word that holds the answer: {before:.0%} before training, {after:.0%} after (evenly spread: {chance:.0%})"
    if hops > 1 or after < 2 * chance:
        return measured, FAILS
    return measured, HOLDS if before > 0.5 else when("the path is meant: its use has to be learnt")


@claim(28, BENEFITS, "It does what sequential models could not be imagined to do.", "Peng et al. 2023; Gu & Dao 2023; Beck et al. 2024")
def _(recurrent: float, attention: float, what: str):
    measured = f"nats a token on unseen text: {what}, a recurrence, {recurrent:.2f}, attention {attention:.2f}"
    return measured, FAILS if recurrent <= 1.05 * attention else UNTESTED


@claim(31, IMPACT, "PaLM was trained on 6,144 TPU chips at once.", "Chowdhery et al. 2022, §4 and Appendix B")
def _(chips: int, chip_hours: float, P: int, error: float):
    measured = f"{chips:,} chips, {chip_hours / 1e6:.1f} million chip-hours; here {P} processes, sharing the batch, then the heads: gradients off by {power(error)}"
    return measured, HOLDS if chips == 6144 and error <= 1e-5 else FAILS


@claim(32, IMPACT, "T5 was trained with full sequence parallelism.", "Raffel et al. 2020, §2.1; Shazeer et al. 2018; Li et al. 2021")
def _(published: tuple[str, ...], cuts: dict[str, str]):
    measured = "published: " + " and ".join(published) + " parallel; what each cuts: " + ", ".join(f"{kind} {axis}" for kind, axis in cuts.items())
    return measured, HOLDS if "sequence" in published else FAILS


@claim(35, INSIGHT, "Space takes the place of time: a paragraph is seen at a glance.", "Vaswani et al. 2017, §3.5; Dosovitskiy et al. 2021")
def _(error: float, with_positions: float, without: float):
    measured = f"shuffled words give the same outputs, shuffled (off by {power(error)}); digits read as patches: {with_positions:.0%} right with positions, {without:.0%} without"
    if error > 1e-4:
        return measured, FAILS
    return measured, when("positions are put in: a glance has no order") if without < with_positions - 0.02 else HOLDS


@claim(36, INSIGHT, "Transformers are faster, scalable and general-purpose.", "claims 22, 23 and 41–46")
def _(verdicts: dict[int, str]):
    held = [n for n, v in verdicts.items() if v == HOLDS]
    partly = [n for n, v in verdicts.items() if v.startswith("holds when")]
    failed = [n for n, v in verdicts.items() if v == FAILS]
    measured = f"of claims {', '.join(map(str, verdicts))}: {len(held)} hold, {len(partly)} hold under a condition, {len(failed)} do not hold"
    if (not held and not partly) or len(failed) > len(held) + len(partly):
        return measured, FAILS
    return measured, HOLDS if len(held) == len(verdicts) else when("each claim's own condition is kept in mind" + (f", and what {' and '.join(map(str, failed))} claim is left out" if failed else ""))


@claim(41, UNIVERSAL, "Vision Transformers read images as sequences.", "Dosovitskiy et al. 2021, figure 3")
def _(vit: float, cnn: float, logistic: float, images: int):
    measured = f"digits not seen before, {images:,} to learn from: vision Transformer {vit:.1%}, small CNN {cnn:.1%}, logistic regression {logistic:.1%}"
    if vit < GOOD:
        return measured, FAILS
    return measured, HOLDS if vit >= cnn and vit >= logistic else when("there are many images: on few, " + ("a CNN" if cnn > vit else "logistic regression") + " is ahead")


@claim(42, UNIVERSAL, "AlphaFold predicts structures from amino acids.", "Jumper et al. 2021; Dill 1985")
def _(contacts: float, baseline: float, triangle: float, ablation: float):
    measured = f"lattice proteins, average precision: contacts from the sequence {contacts:.2f} (logistic regression {baseline:.2f}); from a quarter of the distances {triangle:.2f}, without the triangle {ablation:.2f}"
    if contacts <= baseline:
        return measured, FAILS
    return measured, when("it works on pairs and triangles, not on the sequence alone") if triangle > ablation + 0.02 else HOLDS


def _beats_counting(what: str):
    def rule(decoder: float, counts: dict[int, float]):
        best = min(counts, key=counts.get)
        measured = f"nats a token on {what} not seen before: decoder {decoder:.2f}, best n-gram ({best} tokens) {counts[best]:.2f}"
        return measured, HOLDS if decoder < counts[best] else FAILS

    return rule


claim(43, UNIVERSAL, "It composes music.", "Huang et al. 2019")(_beats_counting("chorales"))
claim(45, UNIVERSAL, "It completes code.", "Chen et al. 2021")(_beats_counting("Python modules"))


@claim(44, UNIVERSAL, "It forecasts time series.", "Zeng et al. 2023; Nie et al. 2023")
def _(errors: dict[str, dict[str, float]]):
    """errors: series → model → mean error; the models are "decoder" and its rivals."""
    parts, won = [], []
    for series, by_model in errors.items():
        parts.append(f"{series}: " + ", ".join(f"{model} {e:.3g}" for model, e in by_model.items()))
        if by_model["decoder"] < min(e for model, e in by_model.items() if model != "decoder"):
            won.append(series)
    measured = "mean error of the forecast; " + "; ".join(parts)
    if not won:
        return measured, FAILS
    return measured, HOLDS if len(won) == len(errors) else when(f"the series suits it: ahead on {won[0]} only")


@claim(46, UNIVERSAL, "Wherever there are sequences, it can scale.", "Merrill & Sabharwal 2023; Liu et al. 2023")
def _(fitted: int, recurrent: float, attention: float, T: int, fit: float):
    measured = f"keeping track of five things being swapped, trained to {fitted} swaps: attention {fit:.0%} right at {fitted}, {attention:.0%} at {T}; recurrent {recurrent:.0%} at {T}"
    if attention >= 0.99:
        return measured, HOLDS
    return measured, FAILS if recurrent >= 0.99 else UNTESTED

