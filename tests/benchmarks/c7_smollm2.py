"""C7: SmolLM2-135M, cached greedy decoding: the course's decoder in float32, bfloat16 and eight bits against transformers in float32."""

import torch
from torch.nn import functional as F

from course_lib.data import available
from course_lib.measure import Ratio
from course_lib.models.quantised import quantise
from course_lib.pretrained import chat_prompt, load
from tests.benchmarks.bars import Bar, side_by_side
from tests.published import published_smollm2

NEW = 64
PASSAGE = (
    "The Transformer is a deep learning architecture based on attention. It was proposed in 2017 and is now used to translate, to write and to "
    "fold proteins. Before it, recurrent networks read a sentence word by word, and what they knew of its beginning had to pass through every "
    "word on the way. Attention lets each word look at all the others at once, which suits processors that can do many things at the same time."
)


def loss(model, ids):
    with torch.no_grad():
        return F.cross_entropy(model(ids)[0, :-1].float(), ids[0, 1:]).item()


def bars():
    if not available("smollm2"):
        raise SystemExit("C7 needs SmolLM2's weights; run python -m course_lib fetch smollm2")
    own, tokenizer = load("smollm2")
    half, _ = load("smollm2", dtype=torch.bfloat16)
    peer = published_smollm2(own.config)
    prompt = torch.tensor([tokenizer.encode(chat_prompt("Why is the sky blue?")).ids])
    ones = torch.ones_like(prompt)

    def theirs():
        return peer.generate(prompt, attention_mask=ones, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False, pad_token_id=2, eos_token_id=2)

    if not torch.equal(own.generate(prompt, NEW), theirs()):
        raise SystemExit(f"C7: the {NEW} greedy tokens differ, so there is nothing to compare")
    found = side_by_side(lambda: own.generate(prompt, NEW), {"peer": theirs}, rounds=11)
    yield Bar("C7", "SmolLM2 decode in float32 vs transformers in float32", found["peer"], 1.05, 1.3)
    ids = torch.tensor([tokenizer.encode(PASSAGE).ids])
    for name, model, floor, moonshot, near in (("bfloat16", half, 2.0, 3.0, 0.001), ("eight bits", quantise(own), 2.0, 3.5, 0.001)):
        found = side_by_side(lambda model=model: model.generate(prompt, NEW), {"peer": theirs}, rounds=11)
        yield Bar("C7", f"SmolLM2 decode in {name} vs transformers in float32", found["peer"], floor, moonshot)
        apart = abs(loss(model, ids) / loss(own, ids) - 1)
        yield Bar("C7", f"loss in {name}, distance from float32's", Ratio(apart, apart, apart), 0.01, near, at_most=True)
