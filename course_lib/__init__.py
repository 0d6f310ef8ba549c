"""From Sequences to Sentience: the models, measurements and panels behind the course's eight notebooks."""

import os

__version__ = "0.1.0"

# torch's profiler writes lines about itself to the terminal, and so into notebooks; read when torch is imported
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
