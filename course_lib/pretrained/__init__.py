"""Real weights in the course's own classes.

    model, tokenizer = load("minilm")      # an encoder of sentences; vectors: embed(model, tokenizer, [...])
    model, tokenizer = load("smollm2")     # a language model to talk to: chat_prompt("Why is the sky blue?")
    model, tokenizer = load(folder)        # a Hugging Face folder: BERT, GPT-2, T5 or Llama

Nothing here is unpickled, and no weight is left as it was: a file fits to the last tensor or is refused.
"""

from course_lib.pretrained.loading import load
from course_lib.pretrained.text import chat_prompt, embed

__all__ = ["load", "embed", "chat_prompt"]
