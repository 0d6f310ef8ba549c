"""What the models learn from. Every task has one interface, and a baseline that is computed, not guessed."""

from course_lib.tasks.masked import Words, hide, masked_words
from course_lib.tasks.names import load_names, names_in_a_row, surnames
from course_lib.tasks.synthetic import adding, copying, delayed_recall, letters, parity, sorting, temporal_xor
from course_lib.tasks.task import Baseline, Batch, Task
from course_lib.tasks.text import Corpus, load_corpus, next_token
from course_lib.tasks.words import Vocabulary, analogies, word_pairs

__all__ = [
    "Task", "Batch", "Baseline", "temporal_xor", "letters", "adding", "delayed_recall", "parity", "copying", "sorting",
    "surnames", "names_in_a_row", "load_names", "Corpus", "load_corpus", "next_token",
    "Words", "hide", "masked_words",
    "Vocabulary", "analogies", "word_pairs",
]  # fmt: skip
