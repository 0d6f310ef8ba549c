"""The rules of Part 5's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, power, when

LEARNING, TEXT, CHOOSING, READING, WRITING = (
    "Learning to write", "A model of the corpus", "Choosing the next token", "Reading while writing", "What a token costs",
)  # fmt: skip


@claim("5.1", LEARNING, "A decoder cannot see the future.", "Vaswani et al. 2017, §3.2.3; Radford et al. 2018")
def _(T: int, changed: int, before: float, after: float):
    measured = f"token {changed} of {T} changed: outputs before it moved by {power(before)}, those from it on by up to {after:.1g}"
    return measured, HOLDS if before <= 1e-6 < after else FAILS


@claim("5.2", LEARNING, "With teacher forcing one pass over T tokens is T lessons.", "Williams & Zipser 1989; Vaswani et al. 2017, §3.2.3")
def _(T: int, loss_error: float, gradient_error: float):
    measured = f"one pass against {T} passes, one for each prefix: loss differs by {power(loss_error)}, gradients by {power(gradient_error)} of their size"
    return measured, HOLDS if loss_error <= 1e-5 and gradient_error <= 1e-4 else FAILS


@claim("5.3", LEARNING, "A model that writes goes astray: in training it never read its own words.", "Bengio et al. 2015; He et al. 2021 (arXiv 1905.10617)")
def _(own_early: float, own_late: float, people_early: float, people_late: float, error: float):
    """error: of (own late − early) − (people late − early)."""
    drift = (own_late - own_early) - (people_late - people_early)
    measured = (
        f"nats a token by a 3-gram judge, first 16 and last 16 of 96 tokens: its own {own_early:.2f} → {own_late:.2f}, "
        f"people's {people_early:.2f} → {people_late:.2f}; drift {drift:+.2f} ± {error:.2f}"
    )
    if drift > 2 * error:
        return measured, HOLDS
    return (measured, FAILS) if error <= 0.2 else (measured + "; too uncertain to tell", UNTESTED)  # nats: a drift of 0.4 would be seen


@claim("5.4", TEXT, "A decoder predicts text better than counting does.", "Radford et al. 2018; Witten & Bell 1991")
def _(network: float, counts: dict[int, float], longer: float):
    """longer: of a larger decoder, trained for longer. Nats a token on held-out text."""
    best = min(counts, key=counts.get)
    beaten = [n for n in counts if network < counts[n]]
    measured = (
        f"nats a token on unseen text: decoder {network:.2f} (better than counting {', '.join(map(str, beaten)) or 'no'} tokens at a time), "
        f"best n-gram ({best} tokens) {counts[best]:.2f}; a larger decoder, trained for longer, {longer:.2f}"
    )
    if network < counts[best]:
        return measured, HOLDS
    return measured, when("it is large enough and trained for longer than here") if longer < counts[best] else FAILS


@claim("5.5", CHOOSING, "The likeliest text is the best text.", "Holtzman et al. 2020; Stahlberg & Byrne 2019")
def _(beam_surprise: float, people_surprise: float, beam_repeated: float, sampled_repeated: float, people_repeated: float):
    measured = (
        f"nats a token: beam search {beam_surprise:.2f}, people's text {people_surprise:.2f}; runs of four tokens that repeat: "
        f"beam search {beam_repeated:.0%}, drawn {sampled_repeated:.0%}, people {people_repeated:.0%}"
    )
    if beam_surprise >= people_surprise:
        return measured + "; the search found nothing likelier than people's text", UNTESTED
    if beam_repeated > 2 * people_repeated + 0.05:
        return measured, FAILS
    return measured + "; that it does not repeat itself does not make it good", UNTESTED


@claim("5.6", READING, "A Transformer copies what it has read sooner than a recurrent network.", "Jelassi et al. 2024 (arXiv 2402.01032)")
def _(T: int, seeds: int, transformer_solved: int, transformer_steps: float, recurrent_solved: int, recurrent_best: float, steps: int):
    measured = (
        f"{T} letters: the Transformer solved it with {transformer_solved} of {seeds} seeds, after {transformer_steps:,.0f} steps (median); "
        f"LSTM and GRU, best learning rates, {recurrent_solved} of {2 * seeds} within {steps:,}, best score {recurrent_best:.0%}"
    )
    return measured, HOLDS if transformer_solved == seeds and recurrent_solved < seeds else FAILS  # fewer than half of 2 × seeds


@claim("5.7", READING, "Cross-attention lines the answer up with the question.", "Bahdanau et al. 2015; Jain & Wallace 2019")
def _(words: int, right: float, agreement: float):
    """agreement: rank correlation of a sound's place with the place of the letter it looks at most."""
    measured = f"{words:,} unseen words, {right:.0%} spoken right; place of a sound against the letter it looks at most: correlation {agreement:.2f}"
    if agreement < 0.5:
        return measured, FAILS
    return measured, HOLDS if agreement >= 0.8 else when("a rough order is meant")


@claim("5.8", WRITING, "What is kept for writing on does not grow with the text.", "Shazeer 2019; Pope et al. 2022")
def _(T: int, cache_bytes: int, cache_half: int, state_bytes: int, state_half: int):
    measured = f"bytes kept after {T // 2:,} and {T:,} tokens: cache {cache_half:,} → {cache_bytes:,}, LSTM {state_half:,} → {state_bytes:,}"
    if cache_bytes <= cache_half:
        return measured, HOLDS
    return measured, when("it is said of recurrent networks") if state_bytes == state_half else FAILS


@claim("5.9", WRITING, "Each token takes longer than the one before.", "Katharopoulos et al. 2020; Pope et al. 2022")
def _(first: int, last: int, uncached: float, cached: float, recurrent: float):
    """Time of the tokens around `last` ÷ around `first`, for each way of writing."""
    measured = f"time of token {last:,} ÷ token {first:,}: without a cache {uncached:.1f}×, with it {cached:.1f}×, LSTM {recurrent:.1f}×"
    if uncached < 1.5:
        return measured, FAILS
    return measured, HOLDS if min(cached, recurrent) >= 1.5 else when("the past is read again for every token")
