"""Proteins on a square lattice, small enough to fold by trying everything: the HP model (Dill 1985; Lau & Dill 1989).

A protein of N beads, each H (shuns water) or P, lies on the lattice as a path that never meets itself. Two H
beads that touch without being neighbours in the chain gain one unit of energy. The fold of a sequence is
the one with the lowest energy, if there is only one. Paths that are turned or mirrored count once.

Shapes: paths n, beads N. A contact map is a row of truth values, one for each pair that can ever touch.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from course_lib.checks import require, require_int

__all__ = ["contact_pairs", "folds", "ground_states", "paths"]


@lru_cache(maxsize=2)
def paths(N: int) -> np.ndarray:
    """All self-avoiding paths of N beads, up to turning and mirroring.  # (n, N, 2), int8

    Raises InputError for N outside 4 … 18 (N=14: 110,188 paths, N=18: 5.8 million).
    """
    require(require_int("N", N, 4) <= 18, f"N must lie in 4 … 18, got {N}")
    walks = np.zeros((1, 2, 2), np.int8)
    walks[0, 1] = (1, 0)  # the first step goes east; the first turn will go north
    straight = np.ones(1, bool)
    steps = np.array([(1, 0), (0, 1), (-1, 0), (0, -1)], np.int8)
    for _ in range(N - 2):
        ends = walks[:, None, -1] + steps  # (n, 4, 2)
        free = ~(walks[:, :, None] == ends[:, None]).all(-1).any(1)  # (n, 4)
        free[straight, 3] = False
        row, step = np.nonzero(free)
        walks = np.concatenate((walks[row], ends[row, step][:, None]), 1)
        straight = straight[row] & (step == 0)
    return walks


def contact_pairs(N: int) -> np.ndarray:
    """The pairs (i, j) of beads that can touch: an odd number of steps apart, three or more.  # (pairs, 2)"""
    return np.array([(i, j) for i in range(N) for j in range(i + 3, N, 2)])


def _contacts(walks: np.ndarray) -> np.ndarray:
    """Which of the pairs touch.  # (n, pairs)"""
    pairs = contact_pairs(walks.shape[1])
    gap = np.abs(walks[:, pairs[:, 0]] - walks[:, pairs[:, 1]]).sum(-1)  # (n, pairs)
    return gap == 1


@lru_cache(maxsize=2)
def ground_states(N: int = 14) -> tuple[Tensor, Tensor]:
    """Every sequence with one lowest-energy contact map, and that map: sequences (n, N) of 1 (H) and 0 (P), maps (n, N, N).

    All 2^N sequences meet all maps in one matrix product, in pieces. N=14: 431 sequences in a second; N=16 in
    a minute.
    """
    maps = np.unique(_contacts(paths(N)), axis=0)  # (maps, pairs)
    pairs = contact_pairs(N)
    every = torch.tensor((np.arange(2**N)[:, None] >> np.arange(N)) & 1, dtype=torch.float32)  # (2^N, N)
    table = torch.tensor(maps, dtype=torch.float32).T.contiguous()  # (pairs, maps)
    found, which = [], []
    for piece in every.split(2048):
        energy = (piece[:, pairs[:, 0]] * piece[:, pairs[:, 1]]) @ table  # (2048, maps): contacts, the more the lower
        best, where = energy.max(1)
        single = ((energy == best[:, None]).sum(1) == 1) & (best > 0)
        found.append(piece[single])
        which.append(where[single])
    sequences, chosen = torch.cat(found), torch.tensor(maps)[torch.cat(which)]
    grid = torch.zeros(len(sequences), N, N, dtype=torch.bool)
    grid[:, pairs[:, 0], pairs[:, 1]] = chosen
    return sequences.long(), grid | grid.transpose(1, 2)


def folds(N: int = 14, least_contacts: int = 4, limit: int = 12_000, seed: int = 0) -> Tensor:
    """The distances between all beads of `limit` compact paths, in lattice units, as the crow flies.  # (n, N, N)"""
    walks = paths(N)
    walks = walks[_contacts(walks).sum(1) >= require_int("least_contacts", least_contacts, 0)]
    require(len(walks) > 0, f"least_contacts must be at most what paths of N = {N} beads have, got {least_contacts}")
    chosen = np.random.default_rng(seed).permutation(len(walks))[: require_int("limit", limit)]
    place = torch.tensor(walks[chosen], dtype=torch.float32)  # (n, N, 2)
    return torch.cdist(place, place)
