"""What a Transformer costs: parameters, FLOPs, memory, time and money of a model that is only described.

    gpt3 = PRESETS["GPT-3 175B"]
    gpt3.parameters                                             # 174,604,259,328
    gpt3.training_flops(300e9)                                  # 3.14e23: six for every weight and token
    training_seconds(gpt3.training_flops(300e9), "A100 80GB", count=1024, utilisation=0.34) / 86_400     # days

Plain arithmetic, no torch. B sequences, T tokens, D width, H heads of width d, N layers, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

from course_lib.checks import require, require_choice, require_int
from course_lib.measure import datasheet_peak

__all__ = ["Model", "PRESETS", "DEVICES", "Device", "training_seconds", "utilisation", "recurrent_ticks"]

POSITIONS = ("learned", "none", "rotary", "relative bias", "relative projection")
ACTIVATIONS = ("fused", "stored", "recomputed")


@dataclass(frozen=True)
class Model:
    """A Transformer by its measures; a decoder unless it has `encoder_layers`.

    D_ff 4·D, d D/H and H_kv H, unless given (H_kv = 1: multi-query). gated: three matrices in the feed-forward
    network, as in SwiGLU. positions: "learned" (T·D weights), "relative bias" (32 buckets a head: T5), "relative
    projection" (one more D × H·d matrix a layer: Transformer-XL, Gopher, Chinchilla), "rotary" or "none" (no
    weights). tied: the last layer is the embedding. tokens: what the published model was trained on.
    """

    name: str
    N: int
    D: int
    H: int
    V: int
    T: int = 2048
    D_ff: int | None = None
    d: int | None = None
    H_kv: int | None = None
    gated: bool = False
    positions: str = "rotary"
    tied: bool = True
    bias: bool = False
    norm_kind: str = "rms"
    encoder_layers: int = 0
    tokens: float | None = None
    source: str = ""

    def __post_init__(self):
        for field in ("N", "D", "H", "V", "T"):
            require_int(field, getattr(self, field))
        require_int("encoder_layers", self.encoder_layers, least=0)
        require_choice("positions", self.positions, POSITIONS)
        require_choice("norm_kind", self.norm_kind, ("layer", "rms"))
        require(self.d is not None or self.D % self.H == 0, f"D must be divisible by H, got D={self.D}, H={self.H}")
        require(self.H % self.heads_kv == 0, f"H must be divisible by H_kv, got H={self.H}, H_kv={self.H_kv}")

    @property
    def head_width(self) -> int:
        return self.d or self.D // self.H

    @property
    def heads_kv(self) -> int:
        return self.H_kv or self.H

    @property
    def wide(self) -> int:
        return self.D_ff or 4 * self.D

    @property
    def layer_parameters(self) -> int:
        """Of one decoder layer (without cross-attention): attention, feed-forward network, two norms."""
        return self._attention + self._feed_forward + 2 * self._norm

    @property
    def parameters(self) -> int:
        """All weights, embeddings included; equal to what the course's own Decoder has (tested)."""
        N_all = self.N + self.encoder_layers
        cross = self.N * (self._attention + self._norm) if self.encoder_layers else 0
        stacks = 2 if self.encoder_layers else 1
        places = {"learned": stacks * self.T * self.D, "relative bias": stacks * 32 * self.H}.get(self.positions, 0)
        return N_all * self.layer_parameters + cross + stacks * self._norm + self.V * self.D * (1 if self.tied else 2) + places

    @property
    def _attention(self) -> int:
        """Queries, keys, values, and the way out: D × (H + 2·H_kv)·d and H·d × D."""
        d, rows = self.head_width, (self.H + 2 * self.heads_kv) * self.head_width
        relative = self.D * self.H * d if self.positions == "relative projection" else 0
        return self.D * (rows + self.H * d) + relative + (rows + self.D if self.bias else 0)

    @property
    def _feed_forward(self) -> int:
        into = 2 if self.gated else 1
        return (into + 1) * self.D * self.wide + (into * self.wide + self.D if self.bias else 0)

    @property
    def _norm(self) -> int:
        return self.D * (2 if self.norm_kind == "layer" and self.bias else 1)

    def training_flops(self, tokens: float | None = None, attention: bool = False) -> float:
        """Six for every weight and token: a multiplication and an addition forward, twice that backward.

        Kaplan et al. 2020, section 2.1. With an encoder every token passes about half of the weights (GPT-3's
        Table D.1 counts T5 so). attention=True adds what Q Kᵀ and the weighted sums cost, 12·N·H·d·T a token
        (PaLM, Appendix B). tokens: the published number unless given.
        """
        tokens = self.tokens if tokens is None else tokens
        require(tokens is not None and tokens > 0, f"tokens must be > 0; how many {self.name} was trained on is not known here")
        pairs = 12 * self.N * self.H * self.head_width * self.T if attention else 0
        return (6 * self.parameters * (0.5 if self.encoder_layers else 1) + pairs) * tokens

    def cache_bytes(self, T: int | None = None, B: int = 1, number: int = 2) -> int:
        """The KV cache: a key and a value for every layer, head and token, `number` bytes each."""
        T = self.T if T is None else require_int("T", T)
        return 2 * self.N * self.heads_kv * self.head_width * T * require_int("B", B) * number

    def memory(self, B: int = 1, T: int | None = None, activations: str = "fused") -> dict[str, int]:
        """Bytes that training needs, all devices together, in mixed precision with Adam.

        A weight and its gradient take 2 bytes each, Adam 12: a copy in 32 bits and two moments (Rajbhandari et
        al. 2020, ZeRO, section 3.1). Activations of B sequences follow Korthikanti et al. 2022, equations 1 and 2:
        34·B·T·D bytes a layer where attention is "fused", 5·B·H·T² more where its matrices are "stored"; "recomputed"
        keeps 2·B·T·D, each layer's input. (Their count is for a plain network of width 4·D.) The logits come on top.
        """
        T = self.T if T is None else require_int("T", T)
        require_choice("activations", activations, ACTIVATIONS)
        N, words = self.N + self.encoder_layers, require_int("B", B) * T
        kept = N * words * self.D * (2 if activations == "recomputed" else 34)
        if activations == "stored":
            kept += N * 5 * words * self.H * T
        P = self.parameters
        return {"weights": 2 * P, "gradients": 2 * P, "Adam": 12 * P, "activations": kept + 4 * words * self.V}


@dataclass(frozen=True)
class Device:
    """A chip by its maker's data sheet: dense half-precision FLOP/s and bytes of memory."""

    flops_per_s: float
    memory: float
    source: str


def _nvidia(name: str, memory: float) -> Device:
    return Device(datasheet_peak(name), memory * 1e9, "NVIDIA data sheet, without sparsity")


DEVICES = {
    "T4": _nvidia("T4", 16),
    "V100 32GB": _nvidia("V100-SXM2", 32),
    "A100 80GB": _nvidia("A100", 80),
    "H100 80GB": _nvidia("H100 80GB HBM3", 80),
    "H200 141GB": _nvidia("H200", 141),
    "TPU v3": Device(123e12, 32 * 2**30, "Google Cloud, TPU v3 (a chip of two cores)"),
    "TPU v4": Device(275e12, 32 * 2**30, "Jouppi et al. 2023; Chowdhery et al. 2022"),
}


def training_seconds(flops: float, device: str, count: int = 1, utilisation: float = 0.4) -> float | None:
    """FLOPs ÷ (chips × published peak × utilisation). None for a device whose peak is not known here: no guess."""
    require(flops > 0, f"flops must be > 0, got {flops}")
    require(0 < utilisation <= 1, f"utilisation must lie in (0, 1], got {utilisation}")
    require_int("count", count)
    return flops / (DEVICES[device].flops_per_s * count * utilisation) if device in DEVICES else None


def utilisation(flops_per_s: float, device: str, count: int = 1) -> float | None:
    """Useful FLOP/s ÷ the chips' peak: MFU, if the FLOPs are the model's alone (PaLM, Appendix B). None as above."""
    require_int("count", count)
    return flops_per_s / (DEVICES[device].flops_per_s * count) if device in DEVICES else None


def recurrent_ticks(model: Model, tokens: float, batch_tokens: float, wavefront: bool = False) -> float:
    """Cell steps that must wait for each other, were a model of this shape recurrent and trained on `tokens`.

    A batch of `batch_tokens` tokens is one optimiser step, forward and back. The plain loop does N layers of T
    words, one cell after the other: N·T. As a wavefront, a layer starts as soon as the layer below has read its
    first word: T + N − 1 (Appleyard et al. 2016). How wide the batch is makes no difference.
    """
    require(0 < batch_tokens <= tokens, f"batch_tokens must lie between 0 and tokens, got {batch_tokens} and {tokens}")
    deep = model.T + model.N - 1 if wavefront else model.T * model.N
    return 2 * deep * tokens / batch_tokens


def _llama(name, N, D, H, D_ff, V=32_000, **more) -> Model:
    return Model(name, N, D, H, V, D_ff=D_ff, gated=True, tied=False, **more)


_HERD, _LLAMA, _LLAMA2 = "Grattafiori et al. 2024, Table 3", "Touvron et al. 2023a, Table 2", "Touvron et al. 2023b, Table 1"
PRESETS = {
    model.name: model
    for model in (
        Model("GPT-2 124M", 12, 768, 12, 50_257, 1024, positions="learned", bias=True, norm_kind="layer", source="Radford et al. 2019, Table 2"),
        Model("SmolLM2 135M", 30, 576, 9, 49_152, 2048, 1536, H_kv=3, gated=True, tokens=2e12, source="its model card; Ben Allal et al. 2025"),
        Model(
            "T5 11B", 24, 1024, 128, 32_128, 512, 65_536, d=128, positions="relative bias", encoder_layers=24, tokens=1e12,
            source="Raffel et al. 2020, §3.7",
        ),
        Model(
            "GPT-3 175B", 96, 12_288, 96, 50_257, 2048, positions="learned", bias=True, norm_kind="layer", tokens=300e9,
            source="Brown et al. 2020, Tables 2.1 and D.1",
        ),
        Model("Chinchilla 70B", 80, 8192, 64, 32_000, 2048, d=128, positions="relative projection", tokens=1.4e12, source="Hoffmann et al. 2022, Table 4"),
        Model(
            "PaLM 540B", 118, 18_432, 48, 256_000, 2048, d=256, H_kv=1, gated=True, norm_kind="layer", tokens=780e9,
            source="Chowdhery et al. 2022, Table 1",
        ),
        _llama("Llama 7B", 32, 4096, 32, 11_008, tokens=1e12, source=_LLAMA),
        _llama("Llama 65B", 80, 8192, 64, 22_016, tokens=1.4e12, source=_LLAMA),
        _llama("Llama 2 70B", 80, 8192, 64, 28_672, H_kv=8, T=4096, tokens=2e12, source=_LLAMA2),
        _llama("Llama 3.1 8B", 32, 4096, 32, 14_336, 128_256, H_kv=8, T=8192, tokens=15e12, source=_HERD),
        _llama("Llama 3.1 405B", 126, 16_384, 128, 53_248, 128_256, H_kv=8, T=8192, tokens=15.6e12, source=_HERD),
    )
}  # fmt: skip
