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
from course_lib.tasks.task import Baseline, Batch, Task

__all__ = ["completion", "contact_pairs", "contacts", "fold_of", "folds", "ground_states", "paths"]


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


def fold_of(contact_map: Tensor) -> np.ndarray:
    """A path with exactly these contacts, to draw it: map (N, N) → places (N, 2). Raises InputError where there is none."""
    walks = paths(len(contact_map))
    i, j = contact_pairs(len(contact_map)).T
    same = np.flatnonzero((_contacts(walks) == contact_map.numpy()[i, j]).all(1))
    require(len(same) > 0, "no path on the lattice has exactly these contacts")
    return walks[same[0]].astype(int)


def folds(N: int = 14, least_contacts: int = 4, limit: int = 12_000, seed: int = 0) -> Tensor:
    """The distances between all beads of `limit` compact paths, in lattice units, as the crow flies.  # (n, N, N)"""
    walks = paths(N)
    walks = walks[_contacts(walks).sum(1) >= require_int("least_contacts", least_contacts, 0)]
    require(len(walks) > 0, f"least_contacts must be at most what paths of N = {N} beads have, got {least_contacts}")
    chosen = np.random.default_rng(seed).permutation(len(walks))[: require_int("limit", limit)]
    place = torch.tensor(walks[chosen], dtype=torch.float32)  # (n, N, 2)
    return torch.cdist(place, place)


def contacts(N: int = 14) -> Task:
    """Which beads touch in the fold of a sequence? ids (B, N) → classes (B, N, N), counted at pairs that can touch.

    A fifth of the sequences is held out; a sequence and its reverse stand on the same side. Loss in nats a pair.
    """
    sequences, maps = ground_states(N)
    code = (sequences * 2 ** torch.arange(N)).sum(1)
    backwards = (sequences.flip(1) * 2 ** torch.arange(N)).sum(1)
    unseen = _scattered(torch.minimum(code, backwards)) < 0.2
    mask = torch.zeros(N, N, dtype=torch.bool)
    i, j = contact_pairs(N).T
    mask[i, j] = True

    def draw_from(rows):
        def draw(B, T, generator):
            chosen = rows[torch.randint(len(rows), (B,), generator=generator)]
            return Batch(sequences[chosen], maps[chosen].long(), mask.expand(B, N, N))

        return draw

    rows, held_out = torch.nonzero(~unseen)[:, 0], torch.nonzero(unseen)[:, 0]
    p = maps[~unseen][:, mask].float().mean(0).clamp(1e-4, 1 - 1e-4)  # how often each pair touches
    y = maps[unseen][:, mask].float()
    nats = -(y * p.log() + (1 - y) * (1 - p).log()).mean().item()
    everything = Batch(sequences[held_out], maps[held_out].long(), mask.expand(len(held_out), N, N))
    return Task("contacts", draw_from(rows), N, 2, None, 2, "nats", Baseline(nats, "how often each pair touches"), 0.0, lambda B, T, generator: everything)


def completion(N: int = 14, share: float = 0.25, limit: int = 12_000) -> Task:
    """Given a share of all distances of a fold, say the rest: (B, N, N, 2) → (B, N, N, 1), counted where it was not told.

    Inputs: whether the distance is told, and the distance (0 where it is not). A sixth of the folds is held out.
    """
    require(0 < share < 1, f"share must lie between 0 and 1, got {share}")
    distances = folds(N, limit=limit)
    parts = distances[len(distances) // 6 :], distances[: len(distances) // 6]
    upper = torch.ones(N, N).triu(1).bool()

    def draw_from(part):
        def draw(B, T, generator):
            d = part[torch.randint(len(part), (B,), generator=generator)]  # (B, N, N)
            told = (torch.rand(B, N, N, generator=generator) < share) & upper
            told = told | told.transpose(1, 2)
            x = torch.stack((told.float(), d * told), -1)  # (B, N, N, 2)
            return Batch(x, d[..., None], upper & ~told)

        return draw

    usual = parts[0].mean(0)
    mse = (parts[1] - usual)[:, upper].square().mean().item()
    return Task("completion", draw_from(parts[0]), N, None, 2, 1, "mse", Baseline(mse, "the mean distance of each pair"), 0.0, draw_from(parts[1]))


def _scattered(code: Tensor) -> Tensor:
    """A fixed number in [0, 1) for each code, as good as random."""
    return (code * 2654435761 % 2**32).double() / 2**32
