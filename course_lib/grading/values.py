"""What a probe shows: one value, as plain JSON for the grader and as stable text for the notebook.

A probe's random numbers come from a seed that belongs to it alone: a public one in the notebook, and in grading
one derived from the teacher's key, which nobody can guess from the public repository.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import random

DIGITS, DECIMALS = 4, 5  # a shown number keeps four significant digits, and at most five after the point


def public_rng(name: str, draw: int = 0):
    """The seeded torch.Generator of a probe, "assignment/probe"; it also seeds torch, NumPy and random.

    `draw` is chosen when the notebook is built, so that no shown number lies on the edge of its rounding.
    """
    return seed_all(public_seed(name, draw))


def public_seed(name: str, draw: int = 0) -> int:
    """The seed everybody may know."""
    return int.from_bytes(hashlib.sha256(f"{name}/{draw}".encode()).digest()[:7], "big")


def hidden_seed(key: bytes, assignment: str, probe: str, purpose: str) -> int:
    """The seed that only the holder of `key` can compute: HMAC of assignment, probe and purpose."""
    return int.from_bytes(hmac.digest(key, f"{assignment}/{probe}/{purpose}".encode(), "sha256")[:7], "big")


def seed_all(seed: int):
    """Seed every source of random numbers a probe may touch; returns a torch.Generator with the same seed."""
    import numpy
    import torch

    random.seed(seed)
    numpy.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def show(value) -> None:
    """Print `value` (number, string, list, dict, tensor or array) as text that is the same on every machine."""
    print(text_of(plain(value)))


def plain(value):
    """`value` as JSON knows it: bool, int, float, str, list, dict. Raises TypeError for anything else, None and ... too."""
    if value is None or value is ...:
        raise TypeError(f"there is nothing to show yet: the value is {value}")
    if hasattr(value, "tolist"):  # torch and NumPy, without importing either
        value = value.tolist()
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    raise TypeError(f"cannot show a {type(value).__name__}; show numbers, texts, lists, dicts or tensors")


def text_of(value) -> str:
    """Stable text of a plain value: floats rounded, integers whole, a row a line."""
    if isinstance(value, float):
        return _rounded(value)
    if isinstance(value, list):
        nested = any(isinstance(item, list | dict) for item in value)
        return "[" + (",\n " if nested else ", ").join(text_of(item).replace("\n", "\n ") for item in value) + "]"
    if isinstance(value, dict):
        return "\n".join(f"{key}: {text_of(item)}".replace("\n", "\n  ") for key, item in value.items())
    return str(value)


def _rounded(number: float) -> str:
    if not math.isfinite(number):
        return str(number)
    return f"{round(float(f'{number:.{DIGITS}g}'), DECIMALS) + 0.0:.{DIGITS}g}"  # + 0.0: no negative zero


def on_an_edge(value, margin: float = 0.01) -> float | None:
    """The first number in a plain value whose shown text another machine's last bit could change, or None.

    `margin`: the least distance from where the rounding turns, in steps of the last digit shown.
    """
    if isinstance(value, list | dict):
        items = value.values() if isinstance(value, dict) else value
        return next((edge for item in items if (edge := on_an_edge(item, margin)) is not None), None)
    if not isinstance(value, float) or not math.isfinite(value) or value == 0:
        return None
    step = max(10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1), 10.0**-DECIMALS)
    return value if abs(abs(value) / step % 1 - 0.5) < margin else None


def digest(salt: str, text: str) -> str:
    """A short salted digest, to recognise a text without holding it."""
    return hashlib.sha256(f"{salt}\0{text.strip()}".encode()).hexdigest()[:16]
