"""The rules of Part 8's claims, and of claims 29, 30, 33, 34 and 47. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, times, when

TOKENS, PRETRAINING, SINCE = "Text into tokens", "Predicting the next token", "Since 2017"
CLEAR = 0.005  # nats a token: less counts as no change
SCALE, REAL, TUNING = "Scale", "A real language model", "From predicting to helping"


@claim("8.1", TOKENS, "Byte-pair encoding can write any text, in fewer tokens than letters.", "Sennrich et al. 2016; Radford et al. 2019, §2.2")
def _(texts: int, lossless: int, characters_per_token: float, V: int):
    measured = f"{lossless} of {texts} texts in any script come back unchanged; {characters_per_token:.2f} characters a token of English with V = {V:,}"
    if lossless < texts:
        return measured, FAILS
    return measured, HOLDS if characters_per_token > 1 else when("it was learnt on such text")


@claim("8.2", PRETRAINING, "A neural language model predicts text better than counting does.", "Bengio et al. 2003; Mikolov et al. 2010")
def _(network: float, counts: dict[int, float], shipped: float):
    best = min(counts, key=counts.get)
    measured = f"nats a token on unseen text: one minute of training {network:.2f}, the course's longer run {shipped:.2f}, best n-gram ({best}) {counts[best]:.2f}, 5-gram {counts[5]:.2f}"
    if min(network, shipped) >= counts[best]:
        return measured, FAILS
    return measured, HOLDS if network < counts[best] else when("it trains for longer than a minute")


@claim("8.3", SINCE, "Rotary positions, RMSNorm, SwiGLU and grouped queries each made the Transformer better.", "Su et al. 2021; Zhang & Sennrich 2019; Shazeer 2020; Ainslie et al. 2023; Narang et al. 2021")
def _(change: dict[str, tuple[float, ...]], tokens: int):
    """change: switch → nats with it minus nats without, a number for every seed."""
    measured = f"nats a token after {tokens:,} tokens, against GPT-2's parts: " + ", ".join(f"{name} {sum(d) / len(d):+.3f}" for name, d in change.items())
    better = [name for name, d in change.items() if max(d) < -CLEAR]
    if len(better) == len(change):
        return measured, HOLDS
    return measured, when(f"better means a lower loss at once: of the four, {' and '.join(better)} alone gave one for every seed") if better else FAILS


@claim("8.4", SINCE, "Sharing keys and values among heads shrinks the cache at little cost.", "Shazeer 2019; Ainslie et al. 2023")
def _(cache_ratio: float, extra_nats: float, head_count: int, kv_heads: int):
    measured = f"{kv_heads} instead of {head_count} heads of keys and values: cache {cache_ratio:.0f} times smaller, loss {extra_nats:+.3f} nats a token"
    if cache_ratio <= 1:
        return measured, FAILS
    return measured, HOLDS if extra_nats < 0.05 else FAILS


@claim("8.5", SCALE, "Loss falls as a power law when compute grows.", "Kaplan et al. 2020, Fig. 1")
def _(budgets: list[float], nats: list[float], exponent: float):
    measured = f"best loss at {', '.join(f'{c:.0e}' for c in budgets)} FLOPs: {', '.join(f'{x:.2f}' for x in nats)} nats; fitted exponent {exponent:.3f} (Kaplan: 0.050, over seven orders of magnitude)"
    falls = all(later < earlier for earlier, later in zip(nats, nats[1:]))
    if not falls:
        return measured, FAILS
    many = budgets[-1] / budgets[0] >= 1000
    return measured, HOLDS if many else when(f"one trusts the shape beyond a range of {budgets[-1] / budgets[0]:.0f} times: here it fell each time, and so few points fit many curves")


@claim("8.6", SCALE, "With more compute, model and data should grow alike.", "Hoffmann et al. 2022, Table 2 (0.46 … 0.50); Kaplan et al. 2020 (0.73)")
def _(a: float, inside: list[bool], budgets: list[float]):
    measured = f"best size ∝ compute^{a:.2f} (Chinchilla 0.50, Kaplan 0.73); the best size lies between those tried at {sum(inside)} of {len(inside)} budgets"
    span = budgets[-1] / budgets[0]
    if not all(inside) or span < 100:
        return f"{measured}; budgets span a factor of {span:.0f}", UNTESTED
    return measured, HOLDS if 0.4 <= a <= 0.6 else FAILS


@claim(29, SCALE, "Parallel training is what made large language models possible.", "Appleyard et al. 2016; Pöppel et al. 2024")
def _(days: float, days_fused: float, days_loop: float, chips: int):
    fused, loop = days_fused / days, days_loop / days
    measured = f"GPT-3 on {chips:,} A100: {days:.0f} days of arithmetic; with an RNN's depth {days_loop:.0f} days as a plain loop, {days_fused:.1f} with fused steps"
    if loop < 1.2:
        return measured, FAILS
    return measured, HOLDS if fused > 2 else when("the steps are a plain loop: fused, the waiting alone would not have prevented it")


@claim(30, SCALE, "GPT-3 learnt from 300 billion tokens in weeks, not years.", "Brown et al. 2020, Table D.1; Narayanan et al. 2021, §5")
def _(flops: float, published_flops: float, days: float, chips: int):
    measured = f"{flops:.2e} FLOPs (published {published_flops:.2e}): {days:.0f} days on {chips:,} A100 as Narayanan et al. ran them; OpenAI gave no time"
    if abs(flops / published_flops - 1) > 0.02 or days > 365:
        return measured, FAILS
    return measured, when("one has a thousand such chips") if days > 7 else HOLDS


@claim(33, SCALE, "Parallel training made trillions of parameters and tokens possible (GPT-3, PaLM, T5).", "Brown et al. 2020; Chowdhery et al. 2022; Raffel et al. 2020")
def _(models: dict[str, tuple[float, float]]):
    """models: name → parameters, tokens."""
    measured = "; ".join(f"{name} {P / 1e9:,.0f}B parameters, {tokens / 1e9:,.0f}B tokens" for name, (P, tokens) in models.items())
    wide, long = (max(values) >= 2e12 for values in zip(*models.values()))  # trillions, not one
    if wide and long:
        return measured, HOLDS
    return measured, when("tokens alone are meant") if long else FAILS


@claim(34, SCALE, "Without parallel processing large language models would not exist.", "RWKV (Peng et al. 2023) and Mamba (Gu & Dao 2023) train in parallel, too")
def _(recurrent_slowdown: float):
    return f"what might have been cannot be measured; written as a plain loop, the waiting alone would have made training {recurrent_slowdown:.1f} times as long", UNTESTED


@claim("8.7", REAL, "A language model knows facts as people do.", "Ji et al. 2023; Kadavath et al. 2022")
def _(question: str, said: str, truth: str, p_said: float, p_truth: float):
    right = truth.lower() in said.lower()
    measured = f"“{question}” It says “{said}” with probability {p_said:.2f}; “{truth}” would have had {p_truth:.2f}"
    return (measured + "; one right answer decides nothing", UNTESTED) if right else (measured, FAILS)


@claim("8.8", REAL, "Some attention heads copy what followed last time (induction heads).", "Olsson et al. 2022")
def _(first: float, repeated: float, without: float, random: float, heads: str):
    measured = f"50 random tokens, twice: {first:.1f} nats the first time, {repeated:.1f} the second; without {heads} {without:.1f}, without as many other heads {random:.1f}"
    if first - repeated < 1:
        return measured, FAILS
    return measured, HOLDS if without - repeated > 4 * max(random - repeated, 0.05) else when("more heads do it than those taken out")


@claim("8.9", REAL, "The cache makes a chat faster.", "Shazeer 2019; Pope et al. 2022")
def _(tokens: int, ratio):
    return f"{tokens} tokens of an answer, time without the cache ÷ time with it: {times(ratio)}", HOLDS if ratio.low > 1 else FAILS


@claim("8.11", REAL, "Weights rounded to eight bits make a model faster and leave it as good.", "Dettmers et al. 2022; Frantar et al. 2022")
def _(ratio, small_bytes: int, large_bytes: int, nats: float, large_nats: float, chats: bool):
    """ratio: time for an answer with float32's weights ÷ with rounded ones; nats a token of the same text by both."""
    worse = nats / large_nats - 1
    measured = f"{large_bytes / 1e6:.0f} MB of weights become {small_bytes / 1e6:.0f}: {times(ratio)} as fast, loss {large_nats:.3f} → {nats:.3f} nats a token ({worse:+.1%})"
    if not chats:
        return "no real model was at hand", UNTESTED
    if worse > 0.01:
        return measured, when("one accepts a worse model") if ratio.low > 1 else FAILS
    return measured, HOLDS if ratio.low > 1 else when("fast means small: here the processor took no less time")


@claim("8.10", TUNING, "Examples make a model obey; preferences make it behave.", "Ouyang et al. 2022; Rafailov et al. 2023")
def _(obeys: tuple[float, float, float], smiles: tuple[float, float, float]):
    said = [" → ".join(f"{share:.0%}" for share in shares) for shares in (obeys, smiles)]
    measured = f"base → tuned → preferred: obeys {said[0]}, smiles {said[1]}"
    told = obeys[1] - obeys[0] > 0.3
    liked = smiles[2] - smiles[1] > 0.2 and obeys[2] > obeys[1] - 0.1
    return measured, HOLDS if told and liked else when("examples are given: preferences did not do it here") if told else FAILS


@claim(47, REAL, "These blocks together became ChatGPT, Gemini and Claude.", "Vaswani et al. 2017; Radford et al. 2018; Ouyang et al. 2022")
def _(model: str, recurrent_layers: int, attention_layers: int, chats: bool):
    measured = f"{model}, run by this course's own decoder: {attention_layers} layers of attention and feed-forward, {recurrent_layers} recurrent ones"
    if not chats:
        return measured + "; no real model was at hand", UNTESTED
    return measured, when("a lineage of ideas is meant: there is no recurrent layer in it") if recurrent_layers == 0 else HOLDS
