"""From Sequences to Sentience: the models, measurements and panels behind the course's eight notebooks."""

__version__ = "0.1.0"
