"""Weights in eight bits: what rounding may do, and what is no such file."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import nn

from course_lib.checks import InputError
from course_lib.packed import pack, unpack


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(1e-4, 1e4), st.integers(0, 999))
def test_a_weight_moves_by_at_most_half_a_step_of_its_row(tmp_path_factory, rows, columns, size, seed):
    torch.manual_seed(seed)
    layer = nn.Linear(columns, rows)
    with torch.no_grad():
        layer.weight.mul_(size)
    weights, about = unpack(pack(tmp_path_factory.mktemp("p") / "m.safetensors", layer, {"n": seed}), "it")
    assert about == {"n": seed}
    step = layer.weight.detach().abs().amax(1, keepdim=True) / 127
    assert ((weights["weight"] - layer.weight).abs() <= step * 0.501).all()
    torch.testing.assert_close(weights["bias"], layer.bias.detach(), rtol=1e-3, atol=1e-6)


def test_a_row_of_zeros_stays_so_and_convolutions_keep_their_shape(tmp_path):
    layer = nn.Conv2d(2, 3, 3)
    nn.init.zeros_(layer.weight[1])
    weights, _ = unpack(pack(tmp_path / "m.safetensors", layer, {}), "it")
    assert weights["weight"].shape == layer.weight.shape
    assert not weights["weight"][1].any()


def test_the_file_is_a_quarter_of_float32(tmp_path):
    path = pack(tmp_path / "m.safetensors", nn.Linear(256, 256), {})
    assert path.stat().st_size < 256 * 256 * 1.05 + 2000


@pytest.mark.parametrize("write", [lambda p: p.write_bytes(b"no"), lambda p: save_file({"x": torch.ones(1)}, p), lambda p: save_file({"x": torch.ones(1)}, p, {"about": "{"})])
def test_other_files_are_told_in_one_sentence(tmp_path, write):
    write(tmp_path / "m.safetensors")
    with pytest.raises(InputError, match="m.safetensors is not a cat"):
        unpack(tmp_path / "m.safetensors", "a cat")


def test_no_file_and_no_folder(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        unpack(tmp_path / "m.safetensors", "it")
    with pytest.raises(InputError, match="cannot write"):
        pack(tmp_path / "none" / "m.safetensors", nn.Linear(2, 2), {})
