"""The architectures of the course, one file an idea."""

from course_lib.models.recurrent import GRU, LSTM, RNN, MinGRU

__all__ = ["RNN", "LSTM", "GRU", "MinGRU"]
