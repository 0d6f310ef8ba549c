"""`python -m course_lib train`: pretrain a small language model of the course's corpus in a terminal.

On several processes, which share each batch, the same under torchrun:

    torchrun --nproc-per-node=2 -m course_lib train --steps 1200
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist

from course_lib.checks import require, require_int
from course_lib.measure import resolve_device
from course_lib.models.parallel import ranks
from course_lib.pretraining import held_out_nats, ngram_nats, pretrain, read_text, save_small, small_decoder, write

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Pretrain a small language model on the course's corpus, and compare it with counting (n-grams)."
    add = parser.add_argument
    add("--steps", type=int, default=1200, metavar="N", help="training steps (default: %(default)s, a minute on two cores)")
    add("--vocabulary", type=int, default=512, metavar="V", help="byte-pair tokens (default: %(default)s)")
    add("--width", type=int, default=128, metavar="D", help="width of a token (default: %(default)s)")
    add("--layers", type=int, default=2, metavar="N", help="blocks (default: %(default)s)")
    add("--heads", type=int, default=4, metavar="H", help="attention heads (default: %(default)s)")
    add("--length", type=int, default=64, metavar="T", help="tokens in a sequence, and the model's context (default: %(default)s)")
    add("--batch", type=int, default=16, metavar="B", help="sequences in a batch (default: %(default)s)")
    add("--lr", type=float, default=6e-3, help="learning rate (default: %(default)s)")
    add("--start", type=float, default=0.08, metavar="STD", help="standard deviation of the first weights (default: %(default)s)")
    add("--every", type=int, default=100, metavar="N", help="steps between two lines of progress and checkpoints (default: %(default)s)")
    add("--seed", type=int, default=0, help="of weights, data and samples (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    add("--threads", type=int, metavar="N", help="CPU threads (default: as many as torch would use)")
    add("--checkpoint", type=Path, metavar="FILE", help="a .safetensors file; where it exists, training goes on from it")
    add("--out", type=Path, metavar="FILE", help="write the trained model here, eight bits a weight, as a .safetensors file")
    add("--prompt", default="The history of", metavar="TEXT", help="what the samples at the end begin with (default: %(default)r)")


def run(args: argparse.Namespace) -> int:
    """Train and report. Bad arguments are refused before anything is computed."""
    for name in ("steps", "width", "layers", "heads", "length", "batch", "every"):
        require_int(f"--{name}", getattr(args, name))
    require_int("--vocabulary", args.vocabulary, least=256)
    require(args.length >= 2, f"--length must be ≥ 2, got {args.length}")
    require(args.prompt != "", "--prompt is empty; give at least one letter")
    for name in ("checkpoint", "out"):
        _check_file(name, getattr(args, name))
    if args.threads is not None:
        torch.set_num_threads(require_int("--threads", args.threads))
    device = resolve_device(args.device)
    shared = "RANK" in os.environ and not dist.is_initialized()  # torchrun's children find each other here
    if shared:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
        device = torch.device(device.type, int(os.environ.get("LOCAL_RANK", 0))) if device.type == "cuda" else device
    try:
        return _train(args, device, say=print if ranks()[0] == 0 else lambda *_: None)
    finally:
        if shared:
            dist.destroy_process_group()


def _train(args, device, say) -> int:
    model = small_decoder(args.vocabulary, args.width, args.layers, args.heads, args.length, args.seed, init_std=args.start)  # refuses what cannot be
    text = read_text(args.vocabulary)
    if text.note:
        say(text.note)
    require(args.vocabulary == text.V, f"the text has pairs for {text.V} tokens only; choose --vocabulary {text.V}")
    size = sum(p.numel() for p in model.parameters())
    say(f"{size:,} weights, {len(text.train):,} tokens of {text.characters_per_token:.2f} characters; {args.steps} steps of {args.batch} × {args.length} tokens")

    def line(row):
        say(f"step {row['step']:>6,}  {row['seconds']:>6.0f} s  training {row['loss']:.3f}  unseen {row['score']:.3f} nats a token")

    settings = dict(lr=args.lr, every=args.every, seed=args.seed, device=device, checkpoint=args.checkpoint, callback=line)
    curves = pretrain(model, text, args.steps, args.batch, **settings)
    require(curves.attrs["outcome"] != "diverged", "the loss is no longer a number: choose a smaller --lr")
    if ranks()[0] > 0:
        return 0
    nats, counts = held_out_nats(model, text.validation), ngram_nats(text)
    say(f"\nOn the held-out text: {nats:.3f} nats a token ({nats / text.characters_per_token:.3f} a character)")
    say("By counting: " + ", ".join(f"{n}-gram {x:.3f}" for n, x in counts.items()))
    for seed in range(3):
        say(f"\n> {write(model, text.bpe, args.prompt, seed=args.seed + seed)}")
    if args.out is not None:
        about = {"command": _command(args), "nats": nats, "ngrams": counts, "torch": torch.__version__}
        save_small(args.out, model, text.bpe, about | {"characters_per_token": text.characters_per_token, "steps": int(curves["step"].iloc[-1])})
        say(f"\nModel written to {args.out}")
    return 0


def _command(args) -> str:
    """The command that makes the same model again, wherever its files were."""
    names = ("steps", "vocabulary", "width", "layers", "heads", "length", "batch", "lr", "start", "seed")
    return "python -m course_lib train " + " ".join(f"--{name} {getattr(args, name)}" for name in names)


def _check_file(name: str, path: Path | None) -> None:
    """Find out before the training, not after it, that a file cannot be written."""
    if path is not None:
        require(path.suffix == ".safetensors", f"--{name} must name a .safetensors file, got {path}")
        require(path.parent.is_dir() and os.access(path.parent, os.W_OK) and not path.is_dir(), f"--{name}: cannot write {path} (no such folder, or no permission)")
