"""Does a head of a real encoder look from the verb to its subject, or from a noun to its adjective? Twenty-eight sentences.

After Clark et al. 2019, "What does BERT look at?", §4.2, which asked the same of BERT-base on a parsed newspaper.
"""

from __future__ import annotations

import torch

from course_lib.checks import require

__all__ = ["SENTENCES", "best_offset", "head_hits", "places"]

# sentence: verb < its subject, noun < its adjective. Half of the subjects stand right before their verbs, half do not.
SENTENCES = [
    "The dogs in the garden bark at every white van.: bark < dogs, van < white",
    "My sister quickly wrote a long letter.: wrote < sister, letter < long",
    "The keys to the cabinet are under the red book.: are < keys, book < red",
    "A teacher from our school won an important prize.: won < teacher, prize < important",
    "Birds sing in the old trees.: sing < birds, trees < old",
    "The man with two hats bought a cheap car.: bought < man, car < cheap",
    "Yesterday the king signed a secret treaty.: signed < king, treaty < secret",
    "The book that you gave me describes a cold island.: describes < book, island < cold",
    "Farmers near the river grow sweet and juicy apples.: grow < farmers, apples < sweet",
    "The engine suddenly stopped on the steep hill.: stopped < engine, hill < steep",
    "The children of my friend play a noisy game.: play < children, game < noisy",
    "A storm destroyed the wooden bridge.: destroyed < storm, bridge < wooden",
    "The lawyer for the company read the whole contract.: read < lawyer, contract < whole",
    "In spring the river floods the green fields.: floods < river, fields < green",
    "The cook from Paris never used a sharp knife.: used < cook, knife < sharp",
    "The actors on the stage wore heavy coats.: wore < actors, coats < heavy",
    "The queen, who lived abroad, hated the dark palace.: hated < queen, palace < dark",
    "A doctor examined the sick child.: examined < doctor, child < sick",
    "The windows of the house need new glass.: need < windows, glass < new",
    "Some students at the back heard a strange sound.: heard < students, sound < strange",
    "The ship sank in deep water.: sank < ship, water < deep",
    "The painter finally sold his first and largest picture.: sold < painter, picture < first",
    "The soldiers behind the wall saw a bright light.: saw < soldiers, light < bright",
    "Our neighbours have a friendly cat.: have < neighbours, cat < friendly",
    "The price of the tickets was a nasty surprise.: was < price, surprise < nasty",
    "The train to London passes a ruined castle.: passes < train, castle < ruined",
    "The mother of the twins told an exciting story.: told < mother, story < exciting",
    "The judge asked a difficult question.: asked < judge, question < difficult",
]


def places(tokenizer, relation: int) -> list[tuple[list[int], int, int]]:
    """Each sentence as ids, with the places of the word that looks and of the word it should look at. relation 0: verb → subject; 1: noun → adjective."""
    require(relation in (0, 1), f"relation must be 0 (verb to subject) or 1 (noun to adjective), got {relation}")
    found = []
    for line in SENTENCES:
        sentence, pairs = line.rsplit(": ", 1)
        words = pairs.split(", ")[relation].split(" < ")
        coded = tokenizer.encode(sentence)
        at = [coded.char_to_token(f" {sentence.lower()}".index(f" {word}")) for word in words]
        found.append((coded.ids, *at))
    return found


@torch.no_grad()
def head_hits(model, examples: list[tuple[list[int], int, int]]) -> torch.Tensor:
    """For every head, is the word it looks at most the right one? The marks [CLS] and [SEP] do not count as words.  # (examples, N, H)"""
    hits = []
    for ids, reader, wanted in examples:
        weights = torch.stack(model.attention_weights(torch.tensor([ids])))[:, 0, :, reader]  # (N, H, T)
        weights[..., [0, reader, len(ids) - 1]] = 0  # nor does the word itself
        hits.append(weights.argmax(-1) == wanted)
    return torch.stack(hits)


def best_offset(examples: list[tuple[list[int], int, int]]) -> torch.Tensor:
    """What "the word n places before" gets right, for n = 1 … 5.  # (examples, 5)"""
    return torch.tensor([[reader - n == wanted for n in range(1, 6)] for _, reader, wanted in examples])
