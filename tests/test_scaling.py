"""The cost of described models: equal to the course's own, and to what was published, each figure with its source."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models import Decoder, EncoderDecoder, TransformerConfig
from course_lib.models.attention import KVCache
from course_lib.scaling import DEVICES, PRESETS, Model, recurrent_ticks, training_seconds, utilisation


def near(value, published, within):
    return value == pytest.approx(published, rel=within)


@given(
    N=st.integers(1, 3), d=st.sampled_from([2, 4]), groups=st.sampled_from([(1, 1), (4, 4), (4, 2), (4, 1)]), gated=st.booleans(),
    positions=st.sampled_from(["learned", "none", "rotary", "relative bias"]), tied=st.booleans(), bias=st.booleans(),
    norm_kind=st.sampled_from(["layer", "rms"]), D_ff=st.sampled_from([None, 12]),
)  # fmt: skip
def test_it_counts_what_the_courses_decoder_has(N, d, groups, gated, positions, tied, bias, norm_kind, D_ff):
    H, H_kv = groups
    model = Model("toy", N, 8, H, 11, 16, D_ff, d, H_kv, gated, positions, tied, bias, norm_kind)
    config = TransformerConfig(
        V=11, D=8, N=N, H=H, T_max=16, D_ff=D_ff, d=d, H_kv=H_kv, activation="swiglu" if gated else "relu",
        positions=positions.split()[0], tied_head=tied, bias=bias, norm_kind=norm_kind,
    )  # fmt: skip
    assert model.parameters == sum(p.numel() for p in Decoder(config).parameters())
    cache = KVCache(2, H_kv, 16, d)
    cache.length = 16
    assert model.cache_bytes(B=2, number=4) == N * cache.nbytes


def test_it_counts_an_encoder_decoder_as_the_courses_own():
    model = Model("toy", 2, 8, 2, 11, 16, positions="relative bias", encoder_layers=2)
    config = TransformerConfig(V=11, D=8, N=2, H=2, positions="relative", norm_kind="rms", activation="relu", bias=False)
    assert model.parameters == sum(p.numel() for p in EncoderDecoder(config).parameters())


PARAMETERS = [  # published count, and where
    ("GPT-2 124M", 124.44e6, 1e-3),  # the released checkpoint; the paper's Table 2 says 117M
    ("SmolLM2 135M", 134.5e6, 1e-3),  # the model card's safetensors
    ("T5 11B", 11.3e9, 0.005),  # the released checkpoint; "11 billion" in Raffel et al. 2020, section 3.7
    ("GPT-3 175B", 174.6e9, 0.001),  # Brown et al. 2020, Table D.1: 174,600 million
    ("Chinchilla 70B", 70e9, 0.005),  # Hoffmann et al. 2022, Table 4
    ("PaLM 540B", 540.35e9, 1e-4),  # Chowdhery et al. 2022, Table 1
    ("Llama 7B", 6.7e9, 0.01),  # Touvron et al. 2023a, Table 2
    ("Llama 65B", 65.2e9, 0.005),  # the same
    ("Llama 2 70B", 69e9, 0.005),  # the released checkpoint
    ("Llama 3.1 8B", 8.03e9, 0.001),  # the released checkpoint
    ("Llama 3.1 405B", 405e9, 0.005),  # Grattafiori et al. 2024, section 1
]


@pytest.mark.parametrize(("name", "published", "within"), PARAMETERS)
def test_parameters_are_the_published_ones(name, published, within):
    assert near(PRESETS[name].parameters, published, within)


def test_every_preset_is_checked_and_has_its_source():
    assert set(PRESETS) == {name for name, *_ in PARAMETERS}
    assert all(model.source for model in PRESETS.values())


def test_without_its_relative_projections_chinchilla_falls_short_of_its_name():
    assert near(replace(PRESETS["Chinchilla 70B"], positions="none").parameters, 64.7e9, 0.005)


FLOPS = [
    ("GPT-3 175B", 3.14e23, 0.01),  # Brown et al. 2020, Table D.1
    ("T5 11B", 3.3e22, 0.03),  # the same table, which counts an encoder-decoder's token once
    ("PaLM 540B", 2.53e24, 0.005),  # Chowdhery et al. 2022, its account of compute: 2527.2 zettaFLOPs
    ("Chinchilla 70B", 5.76e23, 0.03),  # Hoffmann et al. 2022, section 4.1 (Gopher's budget; counted in finer detail)
    ("Llama 3.1 405B", 3.8e25, 0.01),  # Grattafiori et al. 2024, section 1
]


@pytest.mark.parametrize(("name", "published", "within"), FLOPS)
def test_training_flops_are_the_published_ones(name, published, within):
    assert near(PRESETS[name].training_flops(), published, within)


def test_palms_utilisation_and_where_the_rest_of_its_hours_went():
    palm = PRESETS["PaLM 540B"]
    speed = 238.3e3  # tokens a second on 6,144 chips, Chowdhery et al. 2022, section 4.1
    assert near(utilisation(speed * palm.training_flops(1, attention=True), "TPU v4", 6144), 0.462, 0.002)  # Table 3
    assert near(utilisation(speed * palm.training_flops(1), "TPU v4", 6144), 0.457, 0.002)  # section 4.1, without attention
    hours = 1200 * 6144 + 336 * 3072  # its account of compute: downtime and repeated steps included
    assert near(hours, 8.4e6, 0.001)
    overall = utilisation(palm.training_flops(attention=True) / (hours * 3600), "TPU v4")
    assert 0.29 < overall < 0.32
    assert near(palm.tokens / speed / 3600 * 6144 / hours, overall / 0.462, 0.01)  # at full speed two thirds of the hours would do


def test_gpt3_on_1024_a100_takes_34_days():
    """Narayanan et al. 2021, section 5: 140 TFLOP/s a GPU with recomputation, which does 8 FLOPs where the model asks for 6."""
    seconds = training_seconds(PRESETS["GPT-3 175B"].training_flops(), "A100 80GB", 1024, 140e12 / 312e12 * 6 / 8)
    assert near(seconds / 86_400, 34, 0.01)


def test_llama_65b_takes_21_days():
    """Touvron et al. 2023a, section 2.4: 380 tokens a second on each of 2,048 A100."""
    llama = PRESETS["Llama 65B"]
    mfu = utilisation(380 * llama.training_flops(1), "A100 80GB")
    assert near(training_seconds(llama.training_flops(), "A100 80GB", 2048, mfu) / 86_400, 21, 0.02)


def test_llama_3_runs_at_41_percent():
    """Grattafiori et al. 2024, Table 4: 400 TFLOP/s a GPU on 16,384 H100."""
    assert near(utilisation(400e12, "H100 80GB"), 0.41, 0.02)


def test_memory():
    gpt3 = PRESETS["GPT-3 175B"]
    memory = gpt3.memory(B=1)
    assert memory["weights"] + memory["gradients"] + memory["Adam"] == 16 * gpt3.parameters  # ZeRO, section 3.1
    # Korthikanti et al. 2022, section 4.1: with T = 2,048, D = 12,288 and 96 heads attention's matrices are 80/34 of the rest
    stored, fused, again = (gpt3.memory(1, activations=kind)["activations"] - 4 * 2048 * gpt3.V for kind in ("stored", "fused", "recomputed"))
    assert stored / fused == pytest.approx(1 + 80 / 34)
    assert fused / again == 17
    assert near(gpt3.cache_bytes(), 9.66e9, 0.01)  # 4.7 MB a token
    assert PRESETS["Llama 3.1 405B"].cache_bytes(1) * 16 == 2 * 126 * 128 * 128 * 2  # 8 of 128 heads


def test_an_unknown_chip_gives_no_number():
    assert training_seconds(1e20, "TPU v9") is None
    assert utilisation(1e12, "TPU v9") is None
    assert all(device.flops_per_s > 1e13 and device.source for device in DEVICES.values())


def test_a_recurrent_gpt3_would_take_so_many_steps_one_after_the_other():
    gpt3 = PRESETS["GPT-3 175B"]
    updates = 300e9 / 3.2e6  # Brown et al. 2020, Table 2.1: 3.2M tokens a batch
    assert recurrent_ticks(gpt3, 300e9, 3.2e6) == pytest.approx(updates * 2 * 2048 * 96)
    assert recurrent_ticks(gpt3, 300e9, 3.2e6, wavefront=True) == pytest.approx(updates * 2 * (2048 + 95))
    assert recurrent_ticks(gpt3, 300e9, 6.4e6) == recurrent_ticks(gpt3, 300e9, 3.2e6) / 2


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: Model("x", 0, 8, 2, 9), "N must be ≥ 1"), (lambda: Model("x", 1, 9, 2, 9), "divisible by H"),
        (lambda: Model("x", 1, 8, 4, 9, H_kv=3), "divisible by H_kv"), (lambda: Model("x", 1, 8, 2, 9, positions="up"), "positions must be"),
        (lambda: Model("x", 1, 8, 2, 9).training_flops(), "tokens must be"), (lambda: Model("x", 1, 8, 2, 9).memory(0), "B must be"),
        (lambda: Model("x", 1, 8, 2, 9).memory(activations="all"), "activations must be"), (lambda: training_seconds(1, "T4", 1, 0), "utilisation"),
        (lambda: training_seconds(0, "T4"), "flops"), (lambda: training_seconds(1, "T4", 0), "count"),
        (lambda: recurrent_ticks(PRESETS["T5 11B"], 10, 20), "batch_tokens"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence(call, what):
    with pytest.raises(InputError, match=what):
        call()
