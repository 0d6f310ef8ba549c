"""Real processes: three ways to cut a model equal one process, a killed rank ends the run with one sentence."""

import argparse
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_lib import parallel_command
from course_lib.checks import InputError
from course_lib.models import Block, attention
from course_lib.models.parallel import ranks, ring_attention, sequence_parallel, shard, tensor_parallel, traffic
from course_lib.parallel_command import RanksLost, run_ranks


@pytest.fixture(scope="module")
def table():
    return run_ranks(2, steps=1).set_index(["dtype", "kind"])


@pytest.mark.parametrize("kind", ["data", "tensor", "sequence"])
def test_two_processes_equal_one(table, kind):
    for dtype, limit in (("float64", 1e-10), ("float32", 1e-5)):
        row = table.loc[(dtype, kind)]
        assert row.output <= limit
        assert row.gradient <= limit
        assert row.ms > 0


def test_bytes_are_those_of_theory(table):
    B, T, D, N, P, size = parallel_command.B, parallel_command.T, parallel_command.D, parallel_command.N, 2, 8
    weights = N * (12 * D * D + 13 * D)
    sent = table.loc["float64"].sent
    assert sent["data"] == weights * size  # 2(P−1)/P of all gradients
    assert sent["tensor"] == N * 4 * B * T * D * size  # four sums of the activations a block
    blocks = B * T // P * D * size  # one tensor of a rank's tokens
    # forward k and v once; backward k, v and their gradients once, then the gradients home; and the weights' gradients
    assert sent["sequence"] == N * (2 + 4 + 2) * blocks + sent["data"]


def test_a_killed_rank_ends_the_run_with_one_sentence():
    began, family = [], []

    def kill(pids):
        began.append(time.monotonic())
        family.extend(psutil.Process(pid) for pid in pids.values())
        os.kill(pids[1], signal.SIGKILL)

    with pytest.raises(RanksLost, match=r"^rank 1 was killed \(SIGKILL\), so the other ranks were stopped") as error:
        run_ranks(2, steps=100_000, on_start=kill)
    assert time.monotonic() - began[0] <= 30
    assert "\n" not in str(error.value)
    assert not [p for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def test_a_run_that_takes_too_long_is_stopped():
    family = []
    with pytest.raises(RanksLost, match="not done after 6 s"):
        run_ranks(2, steps=100_000, limit_s=6, on_start=lambda pids: family.extend(map(psutil.Process, pids.values())))
    gone, alive = psutil.wait_procs(family, 5)
    assert not alive


@pytest.mark.parametrize(("P", "message"), [(3, "P must divide"), (1, "P must be ≥ 2"), (2.5, "P must be an integer")])
def test_impossible_numbers_of_ranks(P, message):
    with pytest.raises(InputError, match=message):
        run_ranks(P)


def test_what_torchrun_says_becomes_one_sentence():
    log = "trace\nRoot Cause (first observed failure):\n[0]:\n  rank      : 0 (local_rank: 0)\n  exitcode  : 1 (pid: 9)\n"
    assert parallel_command._reason(log) == "rank 0 failed (exit status 1), so the other ranks were stopped and nothing of this run counts"
    assert "no such host" in parallel_command._reason("starting\nRuntimeError: no such host\n")


def test_the_command_prints_a_table(capsys, monkeypatch, table):
    monkeypatch.setattr(parallel_command, "run_ranks", lambda P, steps: table.reset_index())
    assert parallel_command.run(argparse.Namespace(ranks=2, steps=1)) == 0
    assert "sequence" in capsys.readouterr().out


# -- alone, every kind is the whole model --------------------------------------------------------------------


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 8), st.booleans(), st.integers(0, 1000))
def test_a_ring_of_one_is_attention(T, d, causal, seed):
    torch.manual_seed(seed)
    query, key, value = (torch.randn(2, 3, T, d, dtype=torch.float64, requires_grad=True) for _ in range(3))
    own, whole = ring_attention(query, key, value, causal), attention(query, key, value, causal=causal)
    torch.testing.assert_close(own, whole)
    weight = torch.randn_like(own)
    for a, b in zip(*(torch.autograd.grad(y, (query, key, value), weight) for y in (own, whole))):
        torch.testing.assert_close(a, b)
    assert traffic.sent == 0


def test_a_ring_wants_one_shape():
    with pytest.raises(InputError, match="one shape"):
        ring_attention(torch.randn(1, 4, 8), torch.randn(1, 5, 8), torch.randn(1, 5, 8))


def test_shards_put_together_are_the_whole():
    block = Block(16, 4, activation="swiglu", H_kv=2)
    for name, p in block.named_parameters():
        parts = [shard(block, name, p, rank, 2) for rank in range(2)]
        if p.ndim == 2:
            assert sum(part.numel() for part in parts) == p.numel()
    q, k, v = block.attention.query_key_value.weight.split(block.attention.rows)
    expected = torch.cat([z[len(z) // 2 :] for z in (q, k, v)])
    assert torch.equal(shard(block, "attention.query_key_value.weight", block.attention.query_key_value.weight, 1, 2), expected)


def test_what_cannot_be_cut_is_said(monkeypatch):
    monkeypatch.setattr("course_lib.models.parallel.ranks", lambda: (0, 3))
    with pytest.raises(InputError, match="divisible by the 3 ranks"):
        tensor_parallel(Block(16, 4))
    with pytest.raises(InputError, match="D_ff"):
        tensor_parallel(Block(15, 3, D_ff=16))
    with pytest.raises(InputError, match="cross-attention"):
        tensor_parallel(Block(15, 3, cross=True))


def test_sequence_parallel_refuses_what_it_would_ignore():
    x = torch.randn(1, 4, 8)
    block = sequence_parallel(Block(8, 2))
    torch.testing.assert_close(block(x, causal=True).shape, x.shape)
    with pytest.raises(InputError, match="self-attention alone"):
        block(x, mask=torch.ones(4, 4, dtype=torch.bool))


def test_alone_there_is_one_rank():
    assert ranks() == (0, 1)


# -- fit under torchrun --------------------------------------------------------------------------------------

FIT = """
import sys, torch, torch.distributed as dist
from course_lib.models import RNN
from course_lib.models.heads import SequenceModel
from course_lib.tasks import parity
from course_lib.training import fit
together = len(sys.argv) > 2
if together:
    dist.init_process_group("gloo")
torch.manual_seed(dist.get_rank() if together else 0)  # other weights on each rank: fit gives all those of rank 0
model = SequenceModel(RNN(4, 16), 2, embed=2).double()
rows = []
curves = fit(model, parity(), 30, B=8, T=6, lr=1e-2, every=10, progress=False, callback=rows.append)
if not together or dist.get_rank() == 0:
    torch.save({"loss": curves.loss.tolist(), "weights": [p.data for p in model.parameters()], "rows": len(rows)}, sys.argv[1])
else:
    assert not rows
"""


def test_fit_under_torchrun_gives_the_numbers_of_one_process(tmp_path):
    script = tmp_path / "fit.py"
    script.write_text(FIT)
    environment = os.environ | parallel_command._environment()
    subprocess.run([sys.executable, script, tmp_path / "one"], check=True, env=environment)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script, tmp_path / "two", "together"]
    subprocess.run(torchrun, check=True, env=environment, capture_output=True)
    one, two = (torch.load(tmp_path / name, weights_only=True) for name in ("one", "two"))
    assert one["rows"] == two["rows"] == 3
    torch.testing.assert_close(torch.tensor(one["loss"]), torch.tensor(two["loss"]), rtol=1e-8, atol=0)
    for a, b in zip(one["weights"], two["weights"]):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-9)
