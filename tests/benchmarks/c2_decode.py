"""C2: greedy decoding with a cache of keys and values, one text at a time, against generate of transformers."""

import torch

from tests.benchmarks.bars import Bar, side_by_side
from tests.published import published_gpt2


def bars():
    own, peer = published_gpt2(1056)
    own, peer = own.eval(), peer.eval()
    prompt = torch.randint(512, (1, 8))
    ones = torch.ones_like(prompt)
    for new in (16, 112, 256, 1024):

        def course(new=new):
            return own.generate(prompt, new)

        def theirs(new=new):
            return peer.generate(prompt, attention_mask=ones, max_new_tokens=new, min_new_tokens=new, do_sample=False, use_cache=True, pad_token_id=0)

        if not torch.equal(course(), theirs()):
            raise SystemExit(f"C2: the {new} greedy tokens differ, so there is nothing to compare")
        found = side_by_side(course, {"peer": theirs}, rounds=15 if new < 1024 else 9)
        yield Bar("C2", f"cached greedy decode vs transformers, {new} tokens", found["peer"], 2.2, 3.0)

