"""What a person should look at: answers that call a library where the exercise asks to build."""

from __future__ import annotations

import ast

import torch.nn.functional

__all__ = ["library_calls"]

READY_MADE = {name for module in (torch.nn, torch.nn.functional) for name in dir(module) if not name.startswith("_")}
ELSEWHERE = ("course_lib", "transformers", "scipy", "sklearn", "torch.nn", "torchtune")  # whose imports are told


def _used(source: str) -> set[str]:
    """Names of torch.nn and its functions that are called, as functions or methods; and what is imported from elsewhere."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in READY_MADE:
            found.add(node.attr)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(ELSEWHERE):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.startswith(ELSEWHERE)}
    return found


def library_calls(answer: str, known: str) -> list[str]:
    """Ready-made functions in a student's cell that are not in `known`, the author's own code (solution and given cells)."""
    return sorted(_used(answer) - _used(known))
