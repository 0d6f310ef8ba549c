"""The rules of Part 7's claims. Each takes measurements and returns (what was measured, verdict)."""

from course_lib.claims.ledger import FAILS, HOLDS, UNTESTED, claim, grows, power, times, when

# Ratios are (median, low, high) of per-round ratios; a growth is "1", "log T", "√T", "T", "T log T" or "T²".
WHAT, BOTTLENECK, FREE, TRAINING, INFERENCE, BENEFITS, MASKING = (
    "What is parallel processing?", "The sequential bottleneck of RNNs", "How Transformers break free",
    "How it works: training", "How it works: inference", "Benefits", "Parallelism and causal masking",
)  # fmt: skip


@claim(2, WHAT, "Attention takes the six words of a sentence in one step together.", "Vaswani et al. 2017, Table 1")
def _(path_6: int, path_12: int, rnn_path_6: int, rnn_path_12: int, rnn_over_block):
    measured = f"longest chain at 6 and 12 words: attention {path_6}, {path_12}; RNN {rnn_path_6}, {rnn_path_12}. Time at 6 words, RNN loop ÷ Transformer block: {times(rnn_over_block)}"
    if path_6 != path_12:
        return measured, FAILS
    return measured, HOLDS if rnn_over_block.low > 1 else when("steps are counted; at six words it saves no time")


@claim(3, WHAT, "In an RNN the second word has to wait for the first.", "Martin & Cundy 2018; Feng et al. 2024")
def _(states_changed: int, T: int, rnn_growth: str, scan_growth: str):
    measured = f"changing word 1 changed {states_changed} of {T} states; longest chain {grows(rnn_growth)} for the tanh RNN, {grows(scan_growth)} for MinGRU's scan"
    if rnn_growth != "T" or states_changed < T:
        return measured, FAILS
    return measured, HOLDS if scan_growth == "T" else when("the next state is not linear in the last")


@claim(4, BOTTLENECK, "An RNN reads the sentence as hidden state 1, 2, 3 …, each made from the one before.", "Elman 1990")
def _(error: float):
    return f"six states by hand against torch.nn.RNN: largest difference {power(error)}", HOLDS if error <= 1e-5 else FAILS


@claim(5, BOTTLENECK, "An RNN allows no parallelism.", "Appleyard et al. 2016; Martin & Cundy 2018; Feng et al. 2024")
def _(loop_over_hoisted, loop_over_scan, scan_growth: str):
    measured = f"step loop ÷ the same RNN with its inputs hoisted: {times(loop_over_hoisted)}; MinGRU's loop ÷ its scan: {times(loop_over_scan)}, whose chain {grows(scan_growth)}"
    helped = loop_over_hoisted.low > 1 or loop_over_scan.low > 1 or scan_growth != "T"
    return measured, FAILS if helped else HOLDS


@claim(7, BOTTLENECK, "GPUs are slow at step-by-step work.", "Appleyard et al. 2016; Pöppel et al. 2024")
def _(device: str, step_time_growth: float, fused_over_attention):
    measured = f"time of a step at 16 times the batch: {step_time_growth:.1f}×; fused RNN ÷ fused attention at the largest T: {times(fused_over_attention)} (on {device})"
    if device != "cuda":
        return measured + "; no GPU here", UNTESTED
    if step_time_growth >= 2:
        return measured, FAILS
    return measured, HOLDS if fused_over_attention.low > 1 else when("the RNN is a step loop, not one fused kernel")


@claim(9, FREE, "All words go through attention and feed-forward layers at the same time.", "Vaswani et al. 2017, Table 1")
def _(growth_in_T: str, path_1_layer: int, path_4_layers: int):
    measured = f"longest chain {grows(growth_in_T)}; one layer {path_1_layer}, four layers {path_4_layers}"
    if growth_in_T != "1":
        return measured, FAILS
    return measured, HOLDS if path_4_layers <= path_1_layer else when("one layer is meant: layers still wait for each other")


@claim(10, FREE, "Training needs no earlier time step's result.", "Williams & Zipser 1989; Bengio et al. 2015")
def _(error: float, T: int):
    return f"one pass over {T} words against {T} passes over their prefixes: largest difference {power(error)}", HOLDS if error <= 1e-5 else FAILS


@claim(11, FREE, "Every word attends to every other one.", "Vaswani et al. 2017, §3.2.3")
def _(open_share: float, masked_future: float, masked_share: float):
    measured = f"outputs that move with an input, of all pairs: {open_share:.0%} without a mask; with a causal mask {masked_share:.0%}, {masked_future:.0%} of the pairs that look ahead"
    if open_share < 1:
        return measured, FAILS
    return (measured, when("no mask is used, as in an encoder")) if masked_future == 0 else (measured + "; the mask leaks", FAILS)


@claim(12, FREE, "Queries, keys and values give softmax(QKᵀ/√d)V.", "Vaswani et al. 2017, equation 1")
def _(error: float):
    return f"matrices against three nested loops: largest difference {power(error)}", HOLDS if error <= 1e-5 else FAILS


@claim(13, FREE, "Attention makes full use of the processor's cores.", "Dao et al. 2022; Chowdhery et al. 2022, Table 3")
def _(naive_share: float, fused_share: float, naive_bound: str):
    measured = f"of the FLOP/s of a large matrix product: attention as matrices {naive_share:.0%} ({naive_bound}-bound), fused {fused_share:.0%}"
    return measured, HOLDS if min(naive_share, fused_share) >= 0.9 else FAILS


@claim(15, FREE, "Training becomes one batch over thousands of words.", "Vaswani et al. 2017, §5.1")
def _(attention_gain: float, rnn_gain: float, tokens: int):
    measured = f"words per second at {tokens:,} words a batch ÷ at 32: attention {attention_gain:.1f}×, RNN step loop {rnn_gain:.1f}×"
    if attention_gain < 1.5:
        return measured, FAILS
    return measured, when("it is said of RNNs as well: they gain from batches too") if rnn_gain >= attention_gain else HOLDS


@claim(16, TRAINING, "Whole sequences are trained on at once.", "Radford et al. 2018; Williams & Zipser 1989")
def _(predictions: int, T: int, error: float):
    measured = f"one causal pass over {T} words gave {predictions} next-word predictions, each the same as from its own prefix (largest difference {power(error)})"
    return measured, HOLDS if predictions == T and error <= 1e-5 else FAILS


@claim(17, TRAINING, "Q, K, V and the softmax are matrix multiplications.", "Ivanov et al. 2021; Dao et al. 2022")
def _(product_flops: int, softmax_flops: int, softmax_time_share: float):
    measured = f"FLOPs in matrix products: projections and scores {product_flops:,}, softmax {softmax_flops:,}; softmax took {softmax_time_share:.0%} of the time"
    if product_flops == 0:
        return measured, FAILS
    return measured, HOLDS if softmax_flops else when("softmax is left out: it takes exponentials and divides them by their sum, and multiplies no matrices")


@claim(18, TRAINING, "Thousands of words are processed in parallel on a GPU or TPU.", "Williams et al. 2009 (roofline)")
def _(device: str, saturated_at: int | None, most: int, long_growth: float):
    place = f"no gain beyond about {saturated_at:,} words a batch" if saturated_at else f"still gaining at {most:,} words a batch"
    measured = f"on {device}: {place}; doubling a long T took {long_growth:.1f}× the time"
    if device != "cuda":
        return measured, UNTESTED
    return measured, when(f"the batch is under about {saturated_at:,} words; then time grows with it") if saturated_at else HOLDS


@claim(19, INFERENCE, "A GPT writes one word at a time.", "Leviathan et al. 2023; Gu et al. 2018")
def _(tokens: int, forwards: int):
    return f"{tokens} words took {forwards} forward passes", when("the usual decoding is meant: speculative and parallel decoding exist") if forwards == tokens else FAILS


@claim(20, INFERENCE, "A cache of keys and values saves doing past work again.", "Shazeer 2019; Pope et al. 2022")
def _(error: float, T: int, rerun_over_cached):
    measured = f"{T} words with the cache and by running the prefix again: outputs differ by at most {power(error)}; time again ÷ cached {times(rerun_over_cached)}"
    if error > 1e-4:
        return measured, FAILS
    return measured, HOLDS if rerun_over_cached.low > 1 else when("the text is longer than measured here")


@claim(21, INFERENCE, "The cache makes a Transformer generate much faster than an RNN.", "Katharopoulos et al. 2020; Gu & Dao 2023, §4.5")
def _(device: str, lstm_over_cached, T: int, cache_bytes: int, state_bytes: int):
    measured = f"time to write {T} words at equal parameters, LSTM with its state kept ÷ attention with its cache: {times(lstm_over_cached)}; kept per sequence {state_bytes:,} bytes against {cache_bytes:,} (on {device})"
    return measured, HOLDS if lstm_over_cached.low >= 2 else FAILS


@claim(23, BENEFITS, "It scales to huge data and long sequences.", "Vaswani et al. 2017, Table 1; Tay et al. 2022")
def _(flops_growth: str, time_factor: float, memory_growth: str):
    measured = f"attention's FLOPs: {grows(flops_growth)}; memory of its score matrix: {grows(memory_growth)}; doubling the longest T took {time_factor:.1f}× the time"
    return measured, when("there is much data, not when one sequence is long") if "T²" in (flops_growth, memory_growth) else HOLDS


@claim(25, BENEFITS, "No memory bottleneck: gradients do not vanish.", "Pascanu et al. 2013; Dao et al. 2022")
def _(attention_gradient: float, rnn_gradient: float, lag: int, memory_growth: str):
    measured = f"gradient at lag {lag} ÷ at lag 1: attention {attention_gradient:.1g}, tanh RNN {power(rnn_gradient)}; attention's score matrix {grows(memory_growth)}"
    if attention_gradient < 0.01 or attention_gradient < 100 * rnn_gradient:
        return measured, FAILS
    return measured, when("gradients are meant; its score matrix is a memory bottleneck of its own") if memory_growth == "T²" else HOLDS


@claim(37, MASKING, "Training is parallel in encoders and in decoders.", "Vaswani et al. 2017, §3.2.3")
def _(encoder_growth: str, decoder_growth: str):
    measured = f"longest chain of a layer {grows(encoder_growth)} without a mask, {grows(decoder_growth)} with a causal one"
    return measured, HOLDS if encoder_growth == decoder_growth == "1" else FAILS


@claim(38, MASKING, "A decoder's output appears word by word.", "Leviathan et al. 2023")
def _(tokens: int, forwards: int):
    return f"{tokens} words took {forwards} passes, each fed the one before", when("the usual decoding is meant, as in claim 19") if forwards == tokens else FAILS


@claim(39, MASKING, "Within one step of inference the work is parallel (that the cache speeds it up: claim 20).", "Pope et al. 2022")
def _(read_per_s: float, write_per_s: float, write_batched_per_s: float):
    measured = f"words per second: reading the prompt {read_per_s:,.0f}, writing one sequence {write_per_s:,.0f}, writing a batch {write_batched_per_s:,.0f}"
    return measured, HOLDS if read_per_s > 2 * write_per_s and write_batched_per_s > 1.5 * write_per_s else FAILS


@claim(40, MASKING, "Caching changes nothing in what is written.", "Shazeer 2019")
def _(error: float):
    return f"outputs with and without the cache differ by at most {power(error)}", HOLDS if error <= 1e-4 else FAILS
