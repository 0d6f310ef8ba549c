"""The rules of Part 4's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, claim, power, times, when

BLOCK, PLACE, BLANKS, SORTING = "The block", "Where a word stands", "Both sides at once", "Encoder and BiLSTM"
SORTS = 0.95  # a network that puts 95 of 100 numbers in their places can sort
FAMILY, REAL, SPEED = "The family", "A real encoder", "How long it takes"


@claim("4.1", BLOCK, "An encoder block is attention and a feed-forward network, each with a residual and a norm.", "Vaswani et al. 2017, §3.1")
def _(by_hand: float, torch: float):
    measured = f"largest difference to the course's Block: written out by hand: {power(by_hand)}; torch.nn.TransformerEncoderLayer with the same weights: {power(torch)}"
    return measured, HOLDS if max(by_hand, torch) <= 1e-4 else FAILS


@claim("4.2", BLOCK, "Without residuals a deep stack does not learn.", "He et al. 2016; Dong et al. 2021")
def _(layers: int, with_residual: float, without: float, baseline: float, alike: float):
    measured = f"{layers} blocks sorting, medians of three recorded seeds: {with_residual:.0%} right with residuals, {without:.0%} without, {baseline:.0%} knowing nothing; words {alike:.0%} alike after 24 fresh blocks without"
    if with_residual <= baseline + 0.1 or without >= with_residual - 0.05:
        return measured, FAILS
    return measured, HOLDS if without <= baseline + 0.1 else when("it is said of speed: it learns, but more slowly")


@claim("4.3", BLOCK, "With the norm before each layer, gradients are better behaved than with the norm after.", "Xiong et al. 2020")
def _(layers: int, before: list[float], after: list[float], learnt_before: float, learnt_after: float):
    measured = f"{layers} layers, largest gradient of a layer: norm before {max(before):.2f}, norm after {max(after):.2f}; 12 blocks sorting: {learnt_before:.0%} and {learnt_after:.0%} right (recorded medians)"
    calmer, learns = max(before) < max(after), learnt_before > learnt_after + 0.02
    return measured, HOLDS if calmer and learns else when("it is said of the gradients' size") if calmer else FAILS


@claim("4.4", PLACE, "Attention does not know the order of words; positions must be put in.", "Vaswani et al. 2017, §3.5")
def _(without: float, moved: dict[str, float]):
    measured = f"\"dog bites man\" against \"man bites dog\", how far the vector of \"dog\" moves: no positions {power(without)}, " + ", ".join(f"{kind} {far:.2g}" for kind, far in moved.items())
    if without > 1e-5:
        return measured, FAILS
    return measured, HOLDS if min(moved.values()) > 1e-3 else FAILS


@claim("4.5", PLACE, "Any kind of position will do.", "Vaswani et al. 2017, table 3 (E); Shaw et al. 2018")
def _(seeds: int, right: dict[str, float]):
    measured = f"sorting, share right, medians of {seeds} recorded seeds: " + ", ".join(f"{kind} {share:.0%}" for kind, share in right.items())
    marked = {kind: share for kind, share in right.items() if kind != "none"}
    if max(marked.values()) <= right["none"] + 0.05:
        return measured, FAILS
    behind = [kind for kind, share in marked.items() if share < max(marked.values()) - 0.05]
    return measured, when(f"the task does not ask at which place a word stands: here {' and '.join(behind)} stayed behind") if behind else HOLDS


@claim("4.6", BLANKS, "In an encoder every word is read in the light of the words before and after it.", "Devlin et al. 2019, §1")
def _(encoder: float, decoder: float):
    measured = f"the last word changed; how far the first word's vector moved: encoder {encoder:.2g}, with a causal mask {power(decoder)}"
    return measured, HOLDS if encoder > 1e-3 and decoder <= 1e-6 else FAILS


@claim("4.7", BLANKS, "Seeing both sides makes a better reader than seeing the left side alone.", "Devlin et al. 2019, table 5")
def _(seeds: int, both: list[float], left: list[float], next_word: list[float]):
    measured = f"nats for a hidden word, {seeds} recorded seeds, same steps: both sides {_range(both)}; left side {_range(left)}; a next-word model {_range(next_word)}"
    if max(both) >= min(left):
        return measured, FAILS
    return measured, HOLDS if max(both) < min(next_word) else when("both learn by hidden words: after so few steps a next-word model, with a lesson in every word, kept up")


@claim("4.8", BLANKS, "A network that reads both sides beats counting neighbours.", "Devlin et al. 2019; Chen & Goodman 1999")
def _(network: list[float], counted: dict[str, float]):
    best = min(counted.values())
    measured = f"nats for a hidden word: network, {len(network)} recorded seeds, {_range(network)}; counted " + ", ".join(f"{name} {nats:.2f}" for name, nats in counted.items())
    if max(network) >= counted["word before"]:
        return measured, FAILS
    return measured, HOLDS if max(network) < best else when("it is set against the word before alone, at this size and time")


@claim("4.9", SORTING, "An encoder sorts what a BiLSTM cannot.", "Vaswani et al. 2017; Graves & Schmidhuber 2005")
def _(seeds: int, steps: int, encoder: float, one_layer: float, two_layers: float):
    measured = f"eight numbers, {steps} steps, about 100,000 weights each, medians of {seeds} recorded seeds: encoder {encoder:.0%} of places right, BiLSTM {one_layer:.0%}, BiLSTM of two layers {two_layers:.0%}"
    if encoder < SORTS or one_layer >= SORTS:
        return measured, FAILS
    return measured, HOLDS if two_layers < SORTS else when("the BiLSTM has one layer")


@claim("4.10", FAMILY, "BERT and its family stack 6 to 12 identical blocks.", "Devlin et al. 2019; Liu et al. 2019; Sanh et al. 2019")
def _(blocks: dict[str, int], computed: dict[str, float], published: dict[str, float]):
    measured = "; ".join(f"{name} {blocks[name]} blocks, {computed[name]:.0f}M weights ({published[name]:.0f}M published)" for name in blocks)
    if any(abs(computed[name] - published[name]) > 0.03 * published[name] for name in published):
        return measured, FAILS
    beyond = [name for name, count in blocks.items() if not 6 <= count <= 12]
    return measured, when(f"{' and '.join(beyond)} {'is' if len(beyond) == 1 else 'are'} left out") if beyond else HOLDS


@claim("4.11", REAL, "An encoder gives the same word another vector in another sentence.", "Peters et al. 2018; Devlin et al. 2019")
def _(word: str, first_layer: float, last_layer: float, clear: int, unclear: int):
    measured = f"{word}, in clear sentences on the right side of the two senses: {first_layer:.0%} by the embedding, {last_layer:.0%} after the last block; of {unclear + clear} awkward ones {clear} right"
    if last_layer < 0.9:
        return measured, FAILS
    return measured, HOLDS if unclear == 0 else when("the sentence says which sense is meant")


@claim("4.12", REAL, "An encoder finds by meaning what shares no word with the question.", "Reimers & Gurevych 2019; Wang et al. 2020")
def _(questions: int, by_meaning: int, by_words: int, no_word: int):
    measured = f"{questions} questions, first answer from the right article: {by_meaning} by meaning, {by_words} by shared words; {no_word} of the {by_meaning} answers shared none"
    return measured, HOLDS if by_meaning > by_words and no_word > 0 else FAILS


@claim("4.13", REAL, "One head links verbs to their subjects, another nouns to their adjectives.", "Clark et al. 2019; Voita et al. 2019")
def _(model: str, sentences: int, subject: float, subject_rule: float, adjective: float, adjective_rule: float):
    measured = f"{model}, {sentences} sentences, head chosen on one half and asked on the other, both ways: verb to subject {subject:.0%} (a fixed distance: {subject_rule:.0%}), noun to adjective {adjective:.0%} (the word before: {adjective_rule:.0%})"
    better = [name for name, head, rule in (("subjects", subject, subject_rule), ("adjectives", adjective, adjective_rule)) if head > rule + 0.05]
    return measured, HOLDS if len(better) == 2 else when(f"it is said of {better[0]}, and as a tendency") if better else FAILS


@claim("4.14", SPEED, "An encoder is faster than a BiLSTM, which must go step by step.", "Vaswani et al. 2017, §4 and table 1")
def _(T: int, loop_over_encoder, fused_over_encoder, device: str):
    measured = f"T = {T}, time ÷ encoder block: BiLSTM in step loops {times(loop_over_encoder)}, torch.nn's kernel {times(fused_over_encoder)} (on {device})"
    if loop_over_encoder.low <= 1:
        return measured, FAILS
    return measured, HOLDS if fused_over_encoder.low > 1 else when("the BiLSTM is written as a plain loop")


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"
