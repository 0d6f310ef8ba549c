"""Input checks: one clear sentence where a wrong value enters, never a traceback from deep inside."""

from __future__ import annotations

from numbers import Integral


class InputError(ValueError):
    """A value that a caller can mend. Its message is one sentence naming the argument and what is allowed."""


def require(condition: bool, message: str) -> None:
    """Raise `InputError(message)` unless `condition` holds."""
    if not condition:
        raise InputError(message)


def require_int(name: str, value, least: int = 1) -> int:
    """Return `value` as an int ≥ `least`; raises InputError otherwise."""
    require(isinstance(value, Integral) and not isinstance(value, bool), f"{name} must be an integer, got {value!r}")
    require(value >= least, f"{name} must be ≥ {least}, got {value}")
    return int(value)


def require_choice(name: str, value, allowed) -> str:
    """Return `value` when it is one of `allowed`; raises InputError listing them otherwise."""
    allowed = tuple(allowed)
    require(value in allowed, f"{name} must be one of {', '.join(map(str, allowed))}; got {value!r}")
    return value


def require_sequence(name: str, x, width: int) -> None:
    """Check that `x` is a (B, T, width) tensor with T ≥ 1."""
    if getattr(x, "ndim", None) == 3 and x.shape[2] == width and x.shape[1] >= 1:
        return  # at once: layers ask for every token, and composing three sentences takes longer than a small product
    require(getattr(x, "ndim", None) == 3, f"{name} must have shape (B, T, {width}), got {_shape(x)}")
    require(x.shape[2] == width, f"{name} must have width {width} in its last axis, got shape {_shape(x)}")
    require(x.shape[1] >= 1, f"T must be ≥ 1, got {name} of shape {_shape(x)}")


def _shape(x) -> str:
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__
