"""From a folder of files to a model: read the config, build the model empty, and fill it to the last tensor."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from course_lib import data
from course_lib.checks import InputError, require, require_choice
from course_lib.models import EncoderDecoder
from course_lib.pretrained.layouts import LAYOUTS, Facts, Layout
from course_lib.pretrained.text import read_gguf, read_tokenizer

__all__ = ["load"]

DTYPES = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
LARGEST = 1 << 26  # numbers in a table of positions: four times Llama 3.1's


def load(name: str | Path, dtype: torch.dtype = torch.float32):
    """A model with published weights, in evaluation mode, and its tokenizer: `model, tokenizer = load("minilm")`.

    name    "minilm" (Encoder, 22.7M parameters), "smollm2" (Decoder, 135M), both from the course's data; or a
            Hugging Face folder with config.json and model.safetensors (or its shards) of a BERT, GPT-2, T5
            (v1.0, v1.1) or Llama model
    dtype   torch.float32 or torch.bfloat16 (half the memory; on a CPU twice the speed of a large model)

    The tokenizer is a `tokenizers.Tokenizer` (`.encode(text).ids`, `.decode(ids)`), None where the folder has
    no tokenizer.json. Raises InputError (or DataMissing, saying what to fetch), one sentence: no such folder,
    a model of another kind, a damaged file, pickled weights, a tensor too many, too few, or of another shape.
    """
    require_choice("dtype", dtype, DTYPES)
    if name == "minilm":
        model, tokenizer = load(data.open_file("minilm"), dtype)
        tokenizer.no_padding()  # its file pads and cuts at 128, for a server; the model was trained on up to 256
        tokenizer.enable_truncation(256)
        return model, tokenizer
    if name == "smollm2":
        layout, facts, tensors, tokenizer = read_gguf(data.open_file("smollm2"))
        return _fill(layout, facts, tensors, tensors.__getitem__, dtype), tokenizer
    folder = Path(name)
    require(folder.is_dir(), f"there is no folder {str(name)!r}; load takes 'minilm', 'smollm2' or a Hugging Face folder")
    facts = _read_json(folder / "config.json")
    kind = facts.get("model_type")
    require(isinstance(kind, str) and kind in LAYOUTS, f"config.json describes a model of type {kind!r}; the course reads {', '.join(LAYOUTS)}")
    shapes, get = _open_safetensors(folder)
    model = _fill(LAYOUTS[kind](facts), facts, shapes, get, dtype)
    return model, read_tokenizer(folder, model.config.V)


def _fill(layout: Layout, facts: dict, shapes: Mapping, get: Callable[[str], Tensor], dtype: torch.dtype) -> nn.Module:
    """Build the layout's model and give it every tensor of the file; refuse whatever does not fit."""
    theirs = {}  # their names without prefix and in today's spelling → names in the file
    for full in shapes:
        short = full.removeprefix(layout.prefix) if layout.prefix else full
        short = re.sub(r"LayerNorm\.gamma$", "LayerNorm.weight", re.sub(r"LayerNorm\.beta$", "LayerNorm.bias", short))
        require(short not in theirs, f"the file holds both {theirs.get(short)!r} and {full!r}")
        theirs[short] = full
    try:
        config = layout.read(Facts(facts), set(theirs))
    except TypeError as error:
        raise InputError(f"config.json holds a value of the wrong kind ({error})") from None
    # before anything is built: a config may claim what no memory holds
    require(len(theirs) >= config.N, f"config.json claims {config.N} layers, and the file has only {len(theirs)} tensors")
    size = config.T_max * config.head_width if config.positions == "rotary" else 0
    require(size <= LARGEST, f"config.json claims a context of {config.T_max} tokens with heads of width {config.head_width}, too much for a table of positions")
    with torch.device("meta"):
        model = layout.build(config)
    state, used = {}, set()
    for own, empty in model.state_dict().items():
        part, _, suffix = own.rpartition(".")
        number = re.search(r"blocks\.(\d+)", part)
        pattern = re.sub(r"blocks\.\d+", "blocks.*", part)
        sources = [f"{x.replace('*', number[1]) if number else x}.{suffix}" for x in layout.names[pattern]]
        pieces = []
        for i, (source, rows) in enumerate(zip(sources, _rows(pattern, empty, len(sources), config))):
            wanted = (rows, *empty.shape[1:])
            require(source in theirs, f"the file lacks the tensor {source!r} of shape {wanted} (ours: {own})")
            tensor = get(theirs[source])
            require(tensor.is_floating_point(), f"the tensor {source!r} holds {tensor.dtype}, not floating-point numbers")
            # turned into our convention first; a transposed shape is therefore told as ours
            good = tensor.ndim == len(wanted)
            tensor = layout.change(pattern, i, tensor.to(torch.float32), config, facts) if good else tensor
            require(tuple(tensor.shape) == wanted, f"the tensor {source!r} has shape {tuple(tensor.shape)}, where {own} needs {wanted}")
            pieces.append(tensor)
            used.add(source)
        state[own] = (torch.cat(pieces) if len(pieces) > 1 else pieces[0]).to(dtype).contiguous()
    for source in sorted(set(theirs) - used):
        own = layout.copies.get(source)
        same = own is not None and torch.equal(get(theirs[source]).to(dtype), state[own])
        require(same or re.match(layout.unused, source) is not None, f"the file holds the tensor {source!r}, for which a {type(model).__name__} with this config.json has no place")
    model.load_state_dict(state, assign=True)
    if isinstance(model, EncoderDecoder):
        model.decoder.embedding = model.encoder.embedding  # one matrix, not two that are equal
    return model.to(dtype).eval()


def _rows(pattern: str, empty: Tensor, parts: int, config) -> list[int]:
    """How many rows of our tensor each of theirs must bring."""
    if parts == 3:
        d = config.head_width
        return [config.H * d, (config.H_kv or config.H) * d, (config.H_kv or config.H) * d]
    return [empty.shape[0] // parts] * parts


def _read_json(path: Path) -> dict:
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"the folder {path.parent.name!r} has no {path.name}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name} cannot be read ({error})") from None
    require(isinstance(facts, dict), f"{path.name} holds no table of settings")
    return facts


def _open_safetensors(folder: Path) -> tuple[set[str], Callable[[str], Tensor]]:
    """The names in model.safetensors, or in the shards that model.safetensors.index.json lists, and a way to read one."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.exists():
        files = [whole.name]
    elif index.exists():
        places = _read_json(index).get("weight_map")
        good = isinstance(places, dict) and all(isinstance(x, str) and x == Path(x).name and "\\" not in x for x in places.values())
        require(good, f"{index.name} must map tensors to files of the same folder")
        files = sorted(set(places.values()))
    else:
        pickled = sorted(x.name for x in folder.iterdir() if x.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl"))
        require(not pickled, f"{', '.join(pickled)} is a pickle, which can run code when it is opened; the course reads model.safetensors only")
        raise InputError(f"the folder {folder.name!r} has no model.safetensors")
    where = {}
    for file in files:
        try:
            opened = safe_open(folder / file, "pt")
            names = list(opened.keys())
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(f"{file} is no whole safetensors file ({error})") from None
        twice = sorted(set(names) & set(where))
        require(not twice, f"{', '.join(files)} hold the tensor {twice[0] if twice else ''!r} twice")
        where |= dict.fromkeys(names, opened)
    if not whole.exists():
        apart = sorted(set(where) ^ set(places))
        require(not apart, f"{index.name} and its files disagree about the tensor {apart[0] if apart else ''!r}")
    return set(where), lambda name: where[name].get_tensor(name)
