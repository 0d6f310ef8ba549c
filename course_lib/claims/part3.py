"""The rules of Part 3's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, power, times, when

BEFORE, COMPANY, LEARNT, GEOMETRY, LIMITS, TEXTS = "Words as symbols", "The company a word keeps", "Vectors that are learnt", "Arithmetic with words", "What one vector cannot do", "From words to a text"
CLEAR = 0.02  # two correlations with people's ratings that lie closer than this are called equal


@claim("3.1", BEFORE, "One-hot vectors cannot say that two words are alike.", "Bengio et al. 2003, §1")
def _(V: int, pair: float, likest: float):
    measured = f"{V:,} words, {V:,} dimensions: cosine of cat and kitten {pair:g}, largest cosine of any two words {likest:g}"
    return measured, HOLDS if pair == likest == 0 else FAILS


@claim("3.2", COMPANY, "You shall know a word by the company it keeps.", "Firth 1957; Harris 1954")
def _(rho: float, shuffled: float, pairs: int):
    measured = f"correlation with people's ratings of {pairs} word pairs: {rho:.2f}; from the same words in shuffled order {shuffled:.2f}"
    return measured, HOLDS if rho >= 0.3 and rho - abs(shuffled) >= 0.2 else FAILS


@claim("3.3", COMPANY, "Short dense vectors are better than long sparse ones.", "Deerwester et al. 1990; Levy et al. 2015")
def _(D: int, V: int, dense: dict[str, float], sparse: dict[str, float]):
    measured = "; ".join(f"{test}: {D} dense numbers {dense[test]:.2f}, {V:,} sparse ones {sparse[test]:.2f}" for test in dense)
    better = [test for test in dense if dense[test] > sparse[test] + CLEAR]
    if len(better) == len(dense):
        return measured, HOLDS
    return measured, when(f"judged by {' and '.join(better)}") if better else FAILS


@claim("3.4", LEARNT, "Vectors that predict beat vectors that count.", "Baroni et al. 2014; against it, Levy et al. 2015")
def _(predicting: list[float], counting: float, words: int):
    low, high = min(predicting), max(predicting)
    measured = f"text of {words:,} words, correlation with WordSim: skip-gram {low:.2f} to {high:.2f} ({len(predicting)} seeds), PPMI + SVD {counting:.2f}"
    return measured, HOLDS if low > counting + CLEAR else FAILS


@claim("3.5", LEARNT, "Skip-gram with negative sampling factorises the matrix of shifted PMI.", "Levy & Goldberg 2014")
def _(full: float, error: float, short: float, D: int):
    measured = f"correlation of w·c with PMI − ln k: {full:.3f} with as many dimensions as words (largest difference {error:.2g}), {short:.2f} with {D} and a real run"
    if full < 0.99:
        return measured, FAILS
    return measured, HOLDS if short >= 0.99 else when("the vectors have room enough; with fewer dimensions it is an approximation")


@claim("3.6", GEOMETRY, "king − man + woman = queen.", "Mikolov et al. 2013; Linzen 2016")
def _(questions: int, excluded: float, included: float, answer: str, answer_included: str):
    measured = f"answer {answer!r} when the three words may not be given, {answer_included!r} when they may; {questions:,} analogies: {excluded:.1%} right and {included:.1%}"
    if answer_included == "queen":
        return measured, HOLDS
    return measured, when("the three given words are forbidden as answers") if answer == "queen" else FAILS


@claim("3.7", GEOMETRY, "Near in the space means alike in meaning.", "Hill et al. 2015")
def _(related: dict[str, float], similar: dict[str, float]):
    measured = "; ".join(f"{name}: related (WordSim) {related[name]:.2f}, similar (SimLex) {similar[name]:.2f}" for name in related)
    if min(related.values()) < 0.3:
        return measured, FAILS
    lag = max(related[name] - similar[name] for name in related)
    return measured, when("alike means related: cup and coffee, not only cup and mug") if lag > 0.1 else HOLDS


@claim("3.8", COMPANY, "Ratios of co-occurrence tell two words apart.", "Pennington et al. 2014, Table 1")
def _(pair: tuple[str, str], first: str, second: str, neither: str, counts: dict[str, tuple[float, float]], ratios: dict[str, float]):
    measured = f"times beside {pair[0]} and beside {pair[1]}: " + ", ".join(f"{word} {a:.0f} and {b:.0f}" for word, (a, b) in counts.items())
    if min(sum(counts[word]) for word in (first, second, neither)) < 10:
        return measured + "; too few to compare", UNTESTED
    return measured, HOLDS if ratios[first] > 3 and ratios[second] < 1 / 3 < ratios[neither] < 3 else FAILS


@claim("3.9", LIMITS, "One vector for a word cannot tell its senses apart.", "Schütze 1998; Reisinger & Mooney 2010")
def _(word: str, table: float, same_sense: float, other_sense: float):
    measured = f"{word!r} in two sentences, cosine: {table:.2f} from the table; after the encoder {same_sense:.2f} in the same sense, {other_sense:.2f} in another"
    return measured, HOLDS if table > 0.999 and same_sense > other_sense else FAILS


@claim("3.10", LIMITS, "Word vectors carry the associations of the text they were made from, prejudice included.", "Bolukbasi et al. 2016; Caliskan et al. 2017")
def _(effects: dict[str, tuple[float, float]]):
    measured = "; ".join(f"{test}: effect size {d:.2f}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}" for test, (d, p) in effects.items())
    found = [test for test, (d, p) in effects.items() if d > 0 and p < 0.05]
    if len(found) == len(effects):
        return measured, HOLDS
    return measured, when(f"tested on {', '.join(found)}") if found else FAILS


@claim("3.11", TEXTS, "The mean of its word vectors stands for a sentence.", "Mitchell & Lapata 2010; Wieting et al. 2016")
def _(reordered: float, rnn: float):
    measured = f"'dog bites man' and 'man bites dog' differ by {power(reordered)} as means, by {rnn:.2f} as last states of an RNN"
    return measured, FAILS if rnn < 1e-3 else when("the order of the words does not matter") if reordered < 1e-5 else HOLDS


@claim("3.12", TEXTS, "Over the vectors of a text, attention is faster than an RNN.", "Vaswani et al. 2017, Table 1")
def _(T: int, device: str, rnn_over_attention, mean_over_attention):
    measured = f"T = {T}, time ÷ fused attention: RNN step loop {times(rnn_over_attention)}, running mean {times(mean_over_attention)} (on {device})"
    if rnn_over_attention.low <= 1:
        return measured, FAILS
    return measured, when("the rival is an RNN: the running mean is faster still") if mean_over_attention.high < 1 else HOLDS
