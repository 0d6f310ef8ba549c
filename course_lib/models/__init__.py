"""The architectures of the course, one file an idea."""

from course_lib.models.attention import KVCache, MultiHeadAttention, attention
from course_lib.models.config import TransformerConfig
from course_lib.models.recurrent import GRU, LSTM, RNN, MinGRU
from course_lib.models.transformer import Block, Decoder, Encoder, EncoderDecoder

__all__ = [
    "RNN", "LSTM", "GRU", "MinGRU", "attention", "MultiHeadAttention", "KVCache", "Block",
    "Encoder", "Decoder", "EncoderDecoder", "TransformerConfig",
]  # fmt: skip
