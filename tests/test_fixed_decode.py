"""Steps of fixed shape write what `generate` writes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib.checks import InputError
from course_lib.models import Decoder, TransformerConfig
from course_lib.models.fixed_decode import FixedSteps


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["learned", "sinusoidal", "rotary", "none"]), st.sampled_from(["pre", "post"]), st.sampled_from([1, 2, 4]),
    st.sampled_from(["layer", "rms"]), st.integers(1, 3), st.integers(1, 5), st.integers(1, 8),
)  # fmt: skip
def test_the_same_tokens_as_generate(positions, norm, H_kv, kind, B, T, new):
    torch.manual_seed(B + 7 * T + 31 * new)
    model = Decoder(TransformerConfig(V=11, D=16, N=2, H=4, H_kv=H_kv, T_max=16, positions=positions, norm=norm, norm_kind=kind, init_std=0.3)).eval()
    ids = torch.randint(11, (B, T))
    text = FixedSteps(model, ids, new)
    wanted = model.generate(ids, new)
    assert torch.equal(text.run(), wanted)
    assert torch.equal(text.run(), wanted)  # a second run starts afresh


def test_stray_numbers_in_fresh_memory_do_no_harm(monkeypatch):
    torch.manual_seed(0)
    model = Decoder(TransformerConfig(V=11, D=16, N=2, H=4, T_max=16, init_std=0.3)).eval()
    ids = torch.randint(11, (1, 3))
    wanted, empty = model.generate(ids, 6), torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: empty(*a, **k).fill_(float("nan")))
    assert torch.equal(FixedSteps(model, ids, 6).run(), wanted)


def test_what_cannot_be_is_told():
    model = Decoder(TransformerConfig(V=11, D=16, N=1, H=4, T_max=8))
    ids = torch.zeros(1, 4, dtype=torch.long)
    with pytest.raises(InputError, match="4 tokens and 5 more are longer than the context, T_max = 8"):
        FixedSteps(model, ids, 5)
    with pytest.raises(InputError, match="new must be"):
        FixedSteps(model, ids, 0)
    with pytest.raises(InputError, match="a CUDA graph needs a model and ids on a GPU"):
        FixedSteps(model, ids, 2, graph=True)
    relative = Decoder(TransformerConfig(V=11, D=16, N=1, H=4, T_max=8, positions="relative"))
    with pytest.raises(InputError, match="learned, sinusoidal, rotary or no positions"):
        FixedSteps(relative, ids, 2)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_recorded_step_writes_the_same():
    model = Decoder(TransformerConfig(V=11, D=16, N=2, H=4, T_max=64, positions="rotary", init_std=0.3)).eval().cuda()
    ids = torch.randint(11, (2, 5), device="cuda")
    assert torch.equal(FixedSteps(model, ids, 40, graph=True).run(), model.generate(ids, 40))
