"""C1: a GPT's training step (forward, backward, AdamW) against the published GPT-2 and torch.nn's Transformer."""

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.models import Block, Decoder, TransformerConfig
from tests.benchmarks.bars import Bar, assert_equal, side_by_side
from tests.published import published_gpt2

V, N, D, H, T, B = 512, 4, 128, 4, 128, 16


class Library(nn.Module):
    """The same decoder as torch.nn would have it: TransformerEncoder under a causal mask."""

    def __init__(self):
        super().__init__()
        layer = nn.TransformerEncoderLayer(D, H, 4 * D, 0.0, "gelu", batch_first=True, norm_first=True)
        self.embedding, self.positions = nn.Embedding(V, D), nn.Embedding(T, D)
        self.blocks = nn.TransformerEncoder(layer, N, nn.LayerNorm(D), enable_nested_tensor=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(T))

    def forward(self, ids):
        x = self.embedding(ids) + self.positions.weight  # (B, T, D)
        return F.linear(self.blocks(x, self.mask, is_causal=True), self.embedding.weight)  # (B, T, V)


def from_torch(peer):
    own = Decoder(TransformerConfig(V, D, N, H, T))
    own.embedding.load_state_dict(peer.embedding.state_dict())
    own.positions.load_state_dict(peer.positions.state_dict())
    own.last_norm.load_state_dict(peer.blocks.norm.state_dict())
    own.blocks = nn.ModuleList(Block.from_torch(layer) for layer in peer.blocks.layers)
    return own.train()


def step(model, ids, logits):
    """One training step as a call without arguments: next-token loss, gradients, AdamW."""
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4, fused=True)

    def call():
        loss = F.cross_entropy(logits(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return call


def bars():
    ids = torch.randint(V, (B, T + 1))
    own, same = published_gpt2(T, use_cache=False, activation_function="gelu_pytorch_tanh")
    _, default = published_gpt2(T)
    assert_equal("C1 GPT-2", own(ids[:, :-1]), same(ids[:, :-1]).logits)
    own, same, default = own.train(), same.train(), default.train()
    found = side_by_side(
        step(own, ids, own),
        {"same": step(same, ids, lambda x: same(x).logits), "default": step(default, ids, lambda x: default(x).logits)},
        rounds=31,
    )
    yield Bar("C1", "training step vs GPT-2 of transformers, like for like", found["same"], 1.0, 1.1)
    yield Bar("C1", "training step vs GPT-2 of transformers, its defaults", found["default"], 1.15, 1.3)
    peer = Library().train()
    own = from_torch(peer)
    assert_equal("C1 nn.TransformerEncoder", own(ids[:, :-1]), peer(ids[:, :-1]))
    found = side_by_side(step(own, ids, own), {"nn": step(peer, ids, peer)}, rounds=31)
    yield Bar("C1", "training step vs nn.TransformerEncoder", found["nn"], 1.05, 1.15)
