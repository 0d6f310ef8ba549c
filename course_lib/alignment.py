"""Alignment in miniature: a policy so small that obedience and manners can be counted.

A prompt is a command (UP or DOWN), three digits and GO. The answer is three digits, a smile or a frown, END.

    base         has read texts in which the digits are simply said again, whatever the command
    tuned        has seen examples of commands obeyed, half of them ending in a frown (instruction tuning)
    preferred    has been told, pair by pair, that a smile is liked better (DPO)

InstructGPT (Ouyang et al. 2022, figure 1) reached the third step by reinforcement learning from a model of the
raters; direct preference optimisation (Rafailov et al. 2023) reaches the same optimum by one loss.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks import require, require_int
from course_lib.models import Decoder, TransformerConfig

__all__ = ["UP", "DOWN", "GO", "SMILE", "FROWN", "END", "PROMPT", "examples", "new_policy", "tune", "answer_log_probability", "dpo_loss", "prefer", "behaviour"]

UP, DOWN, GO, SMILE, FROWN, END = range(10, 16)  # below 10: the digits themselves
PROMPT, V = 5, 16  # tokens of a prompt; of the vocabulary


def examples(n: int, obey: bool, generator: torch.Generator, ending: int | None = None) -> Tensor:
    """n dialogues (n, 10): command, three digits, GO | three digits, smile or frown (a coin's toss unless given), END.

    obey: the answer is sorted as the command says; otherwise the digits are said again as they came.
    """
    require_int("n", n)
    digits = torch.stack([torch.randperm(10, generator=generator)[:3] for _ in range(n)])  # (n, 3)
    command = torch.randint(UP, DOWN + 1, (n, 1), generator=generator)
    answer = digits
    if obey:
        up = digits.sort(1).values
        answer = torch.where(command == UP, up, up.flip(1))  # (n, 3)
    end = torch.randint(SMILE, FROWN + 1, (n, 1), generator=generator) if ending is None else torch.full((n, 1), ending)
    return torch.cat((command, digits, torch.full((n, 1), GO), answer, end, torch.full((n, 1), END)), 1)  # (n, 10)


def new_policy(seed: int = 0) -> Decoder:
    """An untrained decoder for these dialogues."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Decoder(TransformerConfig(V=V, D=32, N=2, H=4, T_max=10, positions="learned", init_std=0.1))


def tune(model: Decoder, obey: bool, steps: int = 300, lr: float = 3e-3, seed: int = 0) -> Decoder:
    """A copy of the model, trained to give the answers of such dialogues: next-token loss on the answer alone."""
    model, generator = copy.deepcopy(model).train(), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr, fused=True)
    for step in range(require_int("steps", steps)):
        optimiser.param_groups[0]["lr"] = lr * (1 - step / steps)
        loss = -answer_log_probability(model, examples(64, obey, generator)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def answer_log_probability(model: nn.Module, ids: Tensor) -> Tensor:
    """ln p(answer | prompt) of each dialogue: ids (B, T) → (B,)."""
    log_p = model(ids[:, :-1]).log_softmax(-1)  # (B, T-1, V)
    chosen = log_p.gather(2, ids[:, 1:, None])[..., 0]  # (B, T-1)
    return chosen[:, PROMPT - 1 :].sum(1)  # (B,)


def dpo_loss(liked: Tensor, disliked: Tensor, liked_before: Tensor, disliked_before: Tensor, beta: float = 0.1) -> Tensor:
    """−ln σ(β·[(ln p(liked) − ln p before) − (ln p(disliked) − ln p before)]), the mean over the pairs (B,).

    "before" is the model that training started from. Rafailov et al. 2023, equation 7.
    """
    require(beta > 0, f"beta must be > 0, got {beta}")
    margin = (liked - liked_before) - (disliked - disliked_before)  # (B,)
    return -F.logsigmoid(beta * margin).mean()


def prefer(model: Decoder, steps: int = 150, beta: float = 0.1, keep: float = 0.2, lr: float = 3e-4, seed: int = 0) -> Decoder:
    """A copy of the model, trained on pairs of answers that differ in their ending alone: a smile is liked better.

    keep: how much of the plain loss on the liked answer is added, lest all else be forgotten (Llama 3 does so:
    Grattafiori et al. 2024, section 4.1.4); 0 is DPO as it was published.
    """
    before, model, generator = model, copy.deepcopy(model).train(), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(model.parameters(), lr, fused=True)
    for _ in range(require_int("steps", steps)):
        liked = examples(64, True, generator, SMILE)
        disliked = liked.clone()
        disliked[:, -2] = FROWN
        with torch.no_grad():
            reference = [answer_log_probability(before, ids) for ids in (liked, disliked)]
        now = [answer_log_probability(model, ids) for ids in (liked, disliked)]
        loss = dpo_loss(*now, *reference, beta) - keep * now[0].mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return model.eval()


def behaviour(model: Decoder, n: int = 1000, seed: int = 1) -> dict[str, float]:
    """Let the model answer n prompts, each token drawn by its probability, and count: {"obeys": share, "smiles": share}."""
    wanted = examples(n, True, torch.Generator().manual_seed(seed))
    said = model.generate(wanted[:, :PROMPT], 5, temperature=1.0, seed=seed)  # (n, 10)
    obeys = (said[:, PROMPT:-2] == wanted[:, PROMPT:-2]).all(1)
    return {"obeys": obeys.float().mean().item(), "smiles": (said[:, -2] == SMILE).float().mean().item()}
