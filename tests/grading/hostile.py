"""Submissions that grading must survive: each with the points of its first question (of 5; the rest is right and keeps its 5)."""

from tests.grading.build import cell, code, exercise, released, solved

RIGHT = exercise("softmax").solution
WRONG = "def softmax(x):\n    return x * 0 + 0.25\n"
# None for a reason: more than one is fitting, and which comes first depends on the machine
# each of these stands where the answer should
ANSWERS = {
    "syntax error": ("def softmax(x:\n    return x", 0, "SYNTAX"),
    "wrong": (WRONG, 0, "WRONG"),
    "wrong shape": ("def softmax(x):\n    return x[:1]", 0, "SHAPE"),
    "a text for numbers": ("def softmax(x):\n    return str(x)", 0, "KIND"),
    "NaN": ("def softmax(x):\n    return x * float('nan')", 0, "NOT_FINITE"),
    "infinite": ("def softmax(x):\n    return x * float('inf')", 0, "NOT_FINITE"),
    "allclose and print patched": (
        "import builtins\ntorch.allclose = torch.equal = lambda *a, **k: True\nbuiltins.print = lambda *a, **k: None\n" + WRONG, 0, "WRONG"),
    "compare patched": (
        "import course_lib.grading.compare as c\nc.compare = lambda *a, **k: 'OK'\nc.score = lambda *a, **k: 5.0\n" + WRONG, 0, "WRONG"),
    "always-equal object": (
        "class Yes:\n    __eq__ = __le__ = __ge__ = lambda *a: True\n    __sub__ = __rsub__ = __abs__ = lambda self, *a: self\n"
        "    __hash__ = lambda self: 0\ndef softmax(x):\n    return Yes()", 0, "ERROR"),
    "a float that equals everything": (
        "class Yes(float):\n    __eq__ = __le__ = __ge__ = lambda *a: True\n    __hash__ = lambda self: 0\n"
        "def softmax(x):\n    return [[Yes() for _ in row] for row in x]", 0, "WRONG"),
    "input hook": (WRONG + "\nget_ipython().input_transformers_cleanup.append(lambda lines: ['pass'])", 0, "WRONG"),
    "forged payload on stdout": ("print('{\"nonce\": \"x\", \"value\": 1}', flush=True)\n" + WRONG, 0, "WRONG"),
    "forged payload in the channel": ("import os\nos.write(3, b'{\"nonce\": \"x\", \"value\": 1}\\n')\n" + RIGHT, 0, "FORGED"),
    "noise in the channel": ("import os\nos.write(3, b'\\xff[[[[' * 1000 + b'\\n')\n" + RIGHT, 0, "FORGED"),
    "deep JSON in the channel": ("import os\nos.write(3, b'[' * 50_000 + b'\\n')\n" + RIGHT, 0, "FORGED"),
    "two payloads": (
        "import sys, json, os\ndef softmax(x):\n    frame = sys._getframe()\n    while 'nonce' not in frame.f_locals and 'probe' not in frame.f_locals:\n"
        "        frame = frame.f_back\n    nonce = frame.f_locals['probe']['nonce']\n"
        "    os.write(3, (json.dumps({'nonce': nonce, 'value': [[0.25] * 4] * 3}) + '\\n').encode())\n    return torch.softmax(x, -1)", 0, "FORGED"),
    "sys.exit": ("import sys\n" + RIGHT + "\nsys.exit(0)", 0, "EXITED"),
    "exit in the answer": ("def softmax(x):\n    raise SystemExit(0)", 0, "EXITED"),
    "os._exit": ("import os\ndef softmax(x):\n    os._exit(0)", 0, "EXITED"),
    "a signal to itself": ("import os\ndef softmax(x):\n    os.kill(os.getpid(), 9)", 0, "EXITED"),
    "a crash": ("import ctypes\ndef softmax(x):\n    ctypes.string_at(0)", 0, "EXITED"),
    "endless loop": ("def softmax(x):\n    while True: pass", 0, "TIMEOUT"),
    "loop that no interrupt ends": (
        "import signal\nfor s in range(1, 60):\n    try:\n        signal.signal(s, signal.SIG_IGN)\n    except (OSError, ValueError):\n        pass\n"
        "def softmax(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass", 0, "TIMEOUT"),
    "asleep": ("import time\ndef softmax(x):\n    time.sleep(10_000)", 0, "TIMEOUT"),
    "memory bomb": ("def softmax(x):\n    return bytearray(10**11)", 0, "MEMORY"),
    "memory bomb by tensors": ("def softmax(x):\n    return [torch.ones(10**8) for _ in range(100)]", 0, None),
    "memory bomb in many processes": (
        "import os, time\ndef softmax(x):\n    for _ in range(8):\n        if os.fork() == 0:\n            y = bytearray(b'x') * 400_000_000\n"
        "            time.sleep(60)\n    time.sleep(60)", 0, None),
    "300 forks": (
        "import os, time\ndef softmax(x):\n    for _ in range(300):\n        if os.fork() == 0:\n            time.sleep(600)\n    time.sleep(60)", 0, None),
    "fork bomb": ("import os\ndef softmax(x):\n    while True:\n        try:\n            os.fork()\n        except OSError: pass", 0, None),
    "a daemon, and a right answer": (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork():\n        os._exit(0)\n    while True: time.sleep(1)\n" + RIGHT, 5, "OK"),
    "30 MB of output": ("print('x' * 30_000_000)\n" + RIGHT, 5, "OK"),
    "endless output": ("def softmax(x):\n    while True: print('x' * 10_000)", 0, "TIMEOUT"),
    "network": ("import socket\ndef softmax(x):\n    socket.create_connection(('1.1.1.1', 53), timeout=2)", 0, "ERROR"),
    "network of this machine": (
        "import socket\ndef softmax(x):\n    socket.create_connection(('127.0.0.1', 22), timeout=2)", 0, "ERROR"),
    "reads the reference": (
        "import pathlib, course_lib\nplace = pathlib.Path(course_lib.__file__).parent.parent\n"
        "texts = [p.read_text() for p in place.rglob('*.md')]\nassert any('BEGIN SOLUTION' in t for t in texts), 'nothing here'\n"
        "exec(texts[0])", 0, None),
    "searches the whole disk": (
        "import os\nfound = [os.path.join(a, f) for a, _, names in os.walk('/') if not a.startswith(('/proc', '/usr', '/sys')) for f in names\n"
        "         if f in ('four.md', 'rows.jsonl', 'key') or f.endswith('.ipynb') and 'site-packages' not in a]\nassert found, 'nothing here'\n" + WRONG, 0, None),
    "writes into the library": (
        RIGHT + "\nimport course_lib\nwith open(course_lib.__file__, 'a') as f:\n    f.write('# was here')", 5, "OK"),
    "writes into the kernel's settings": (RIGHT + "\nopen('/proc/sys/kernel/core_pattern', 'w').write('x')", 5, "OK"),
    "looks into the first process": (RIGHT + "\nopen('/proc/1/mem', 'rb').read(1)", 5, "OK"),
    "ends the first process": (RIGHT + "\nimport os\nos.kill(1, 9)", 5, "OK"),
    "ends every process": ("import os\ntry:\n    os.kill(-1, 9)\nexcept OSError: pass\n" + RIGHT, 5, "OK"),
    "input()": ("def softmax(x):\n    return input()", 0, "ERROR"),
    "recursion": ("def softmax(x):\n    return softmax(x)", 0, "ERROR"),
    "zeroed generator": ("torch.Generator.manual_seed = lambda self, seed: self\ntorch.randn = lambda *a, **k: torch.zeros(*a)\n" + WRONG, 0, None),
    "the probe rewritten through its frame": (
        "import sys\ndef softmax(x):\n    sys._getframe(1).f_globals['show'] = print\n    return x", 0, None),
    "magics, plots and help": ("%matplotlib inline\n!echo hello\nlen?\n%time 1 + 1\n" + RIGHT, 5, "OK"),
    "a right answer with a scratch line that fails": (RIGHT + "\nsoftmax(undefined)", 5, "OK"),
    "nested too deep": ("x = " + "(" * 5000 + ")" * 5000 + "\n" + RIGHT, 0, "SYNTAX"),
    "a null character": ("def softmax(x):\n    return '\0'", 0, "SYNTAX"),
}  # fmt: skip


def answered(source: str) -> dict:
    return solved(softmax=source)


def without_probes() -> dict:
    notebook = solved()
    notebook["cells"] = [c for c in notebook["cells"] if "public_rng" not in "".join(c["source"]) or "def " in "".join(c["source"])]
    return notebook


def edited_probes() -> dict:
    notebook = answered(WRONG)
    for name in ("softmax-rows", "softmax-large"):
        cell(notebook, name)["source"] = "print('[[0.1, 0.2, 0.3, 0.4]]')"
    return notebook


def forged_outputs() -> dict:
    return answered(WRONG)  # with the released outputs, which are the right ones, still standing under the probes


def hard_coded() -> dict:
    """The released outputs typed in: right under the public seed alone."""
    shown = "".join(cell(released(), "softmax-rows")["outputs"][0]["text"])
    return answered(f"def softmax(x):\n    return torch.tensor({shown})")


def twice(last: str, first: str) -> dict:
    notebook = answered(first)
    notebook["cells"].append(code(last))
    return notebook


def without_metadata() -> dict:
    notebook = solved()
    notebook["metadata"] = {}
    notebook["nbformat_minor"] = 4
    for c in notebook["cells"]:
        del c["id"]
        c["metadata"] = {}
    return notebook


def changed(**metadata) -> dict:
    notebook = solved()
    notebook["metadata"].update(metadata)
    return notebook


def same_ids(name: str) -> dict:
    notebook = solved()
    for c in notebook["cells"]:
        c["id"] = name
    return notebook


def skip_tags() -> dict:
    notebook = answered("# NBVAL_SKIP\n" + WRONG)
    for c in notebook["cells"]:
        c["metadata"]["tags"] = ["nbval-skip"]
    return notebook


def with_loop_in_scratch() -> dict:
    notebook = solved()
    notebook["cells"].insert(2, code("while True:\n    pass"))
    return notebook


def with_helper() -> dict:
    """An answer that uses a helper from one cell, and a constant from another exercise's."""
    notebook = solved(softmax="def softmax(x):\n    return shares(x, axis)", count="axis = -1\n" + exercise("count").solution)
    notebook["cells"].insert(2, code("from math import *\n\ndef shares(x, axis):\n    return torch.softmax(x, axis)"))
    return notebook


# name → (notebook, points of the first question, points of the rest, reason code of the first)
NOTEBOOKS = {
    "correct": (solved(), 5, 5, "OK"),
    "blank stub": (released(), 0, 0, "NO_ANSWER"),
    "no code": ({"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, 0, 0, "MISSING"),
    "probes edited, wrong answer": (edited_probes(), 0, 5, "WRONG"),
    "probes deleted, right answer": (without_probes(), 5, 5, "OK"),
    "forged outputs": (forged_outputs(), 0, 5, "WRONG"),
    "released outputs typed in": (hard_coded(), 0, 5, None),
    "solution twice, the last right": (twice(RIGHT, WRONG), 5, 5, "OK"),
    "solution twice, the last wrong": (twice(WRONG, RIGHT), 0, 5, "WRONG"),
    "metadata and ids stripped": (without_metadata(), 5, 5, "OK"),
    "all cells with one id": (same_ids("softmax"), 5, 5, "OK"),
    "all cells with a probe's id": (same_ids("softmax-rows"), 5, 5, "OK"),
    "NBVAL_SKIP": (skip_tags(), 0, 5, "WRONG"),
    "unknown kernelspec": (changed(kernelspec={"name": "perl", "display_name": "P"}), 5, 5, "OK"),
    "metadata of a wrong kind": (changed(course=[1, 2], tags=3), 5, 5, "OK"),
    "an endless loop in a scratch cell": (with_loop_in_scratch(), 5, 5, "OK"),
    "helpers in other cells": (with_helper(), 5, 5, "OK"),
} | {name: (answered(source), points, 5, reason) for name, (source, points, reason) in ANSWERS.items()}
