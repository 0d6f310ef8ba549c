"""Bach's four-part chorales as tokens: at each eighth note soprano, alto, tenor and bass, in turn.

Every chorale is moved to C major or A minor by its key signature. A voice that goes on sounding gives a
"hold" instead of a pitch, so that rhythm is part of the text.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from xml.etree import ElementTree

import numpy as np

from course_lib.checks import require, require_int
from course_lib.data import open_file
from course_lib.tasks.task import Task
from course_lib.tasks.text import next_token

__all__ = ["VOCABULARY", "VOICES", "chorales", "load_chorales", "piano_roll", "sound"]

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
LOW, HIGH = 33, 84  # MIDI pitches A1 … C6
HOLD, REST = HIGH - LOW + 1, HIGH - LOW + 2
SYMBOLS = REST + 1  # of one voice; token = voice · SYMBOLS + symbol
END = len(VOICES) * SYMBOLS
VOCABULARY = END + 1
GRID = 2  # columns a quarter note
_STEP = dict(zip("CDEFGAB", (0, 2, 4, 5, 7, 9, 11)))


@lru_cache(maxsize=1)
def load_chorales() -> list[list[int]]:
    """Each chorale as token ids, END at its end; those with other than four single voices are left out.

    Raises DataMissing where the chorales are not fetched.
    """
    found = []
    with zipfile.ZipFile(open_file("chorales")) as archive:
        for name in sorted(archive.namelist()):
            with zipfile.ZipFile(io.BytesIO(archive.read(name))) as score:
                xml = next(n for n in sorted(score.namelist()) if n.endswith((".xml", ".musicxml")) and not n.startswith("META-INF"))
                tokens = _tokens(ElementTree.fromstring(score.read(xml)))
            if tokens:
                found.append(tokens)
    return found


def chorales(T: int = 128, share: float = 0.2) -> tuple[Task, list[list[int]], list[list[int]]]:
    """Predict each next token: (the task, training chorales, held-out chorales).

    Bach set many hymns several times: chorales whose melodies begin alike stand on the same side, so that
    no model is asked for a tune that it has learnt. A fifth of the melodies is held out.
    """
    require(0 < share < 1, f"share must lie between 0 and 1, got {share}")
    families: dict[tuple, list[list[int]]] = {}
    for piece in load_chorales():
        melody = [t for t in piece[:-1:4] if t < HOLD]  # the soprano's pitches
        families.setdefault(tuple(melody[:8]), []).append(piece)
    every = round(1 / share)
    unseen = [p for i, family in enumerate(families.values()) if i % every == 0 for p in family]
    train = [p for i, family in enumerate(families.values()) if i % every for p in family]
    task = next_token([t for p in train for t in p], [t for p in unseen for t in p], VOCABULARY, T, "chorales")
    return task, train, unseen


def _tokens(score: ElementTree.Element) -> list[int]:
    parts = {p.get("id"): (p.findtext("part-name") or "").strip() for p in score.iter("score-part")}
    wanted = [key for voice in VOICES for key, name in parts.items() if name.lower().startswith(voice.lower())]
    wanted = wanted if len(wanted) == 4 else list(parts) if len(parts) == 4 else []
    by_id = {p.get("id"): p for p in score.iter("part")}
    if not wanted or any(key not in by_id for key in wanted):
        return []
    fifths = int(by_id[wanted[0]].findtext(".//key/fifths") or 0)
    shift = (-7 * fifths + 5) % 12 - 5  # the nearest way to the key without sharps and flats
    lines = [_symbols(by_id[key], shift) for key in wanted]
    columns = min(map(len, lines))
    if columns < 16 or any(min(line) < 0 for line in lines):
        return []
    grid = np.stack([line[:columns] for line in lines], 1) + np.arange(4) * SYMBOLS  # (columns, 4)
    return [*grid.flatten().tolist(), END]


def _symbols(part: ElementTree.Element, shift: int) -> np.ndarray:
    """One symbol a column: a pitch where a note begins, HOLD where it goes on, REST; −1 beyond LOW … HIGH."""
    column, divisions, line = 0.0, 1, {}
    for measure in part.iter("measure"):
        for element in measure:
            divisions = int(element.findtext("divisions") or divisions)
            length = float(element.findtext("duration") or 0) / divisions * GRID
            if element.tag == "backup":
                column -= length
            elif element.tag == "forward":
                column += length
            elif element.tag == "note" and element.find("chord") is None:
                first, end = int(np.ceil(column - 1e-6)), int(np.ceil(column + length - 1e-6))
                pitch = element.find("pitch")
                if pitch is None:
                    symbol = REST
                else:
                    midi = 12 * (int(pitch.findtext("octave")) + 1) + _STEP[pitch.findtext("step")] + int(float(pitch.findtext("alter") or 0)) + shift
                    symbol = midi - LOW if LOW <= midi <= HIGH else -1
                    if any(tie.get("type") == "stop" for tie in element.iter("tie")):
                        symbol = HOLD
                for place in range(first, end):
                    line[place] = symbol if place == first or symbol in (REST, -1) else HOLD
                column += length
    return np.array([line.get(place, REST) for place in range(max(line, default=-1) + 1)])


def piano_roll(tokens: Sequence[int]) -> np.ndarray:
    """The MIDI pitch that each voice sounds at each column, 0 for silence, negative where it is held on.  # (columns, 4)

    Tokens out of their voice's turn end the piece.
    """
    rows, now = [], [0, 0, 0, 0]
    for i, token in enumerate(tokens):
        voice, symbol = divmod(int(token), SYMBOLS)
        if voice != i % 4:
            break
        now[voice] = 0 if symbol == REST else -abs(now[voice]) if symbol == HOLD else symbol + LOW
        if voice == 3:
            rows.append(list(now))
    return np.array(rows, dtype=int).reshape(-1, 4)


def sound(tokens: Sequence[int], rate: int = 8000, quarters_a_minute: float = 84.0) -> np.ndarray:
    """The chorale as samples −1 … 1 at `rate` a second: each voice a tone with three overtones that fades.  # (n,)"""
    rate = require_int("rate", rate, 1000)
    require(quarters_a_minute > 0, f"quarters_a_minute must be > 0, got {quarters_a_minute}")
    roll = piano_roll(tokens)
    length = int(60 / quarters_a_minute / GRID * rate)  # samples a column
    track = np.zeros((len(roll) + 2) * length)
    for voice in range(4):
        for begin in np.flatnonzero(roll[:, voice] > 0):
            held = roll[begin + 1 :, voice] >= 0
            columns = 1 + (int(held.argmax()) if held.any() else len(held))
            t = np.arange(int((columns + 0.3) * length)) / rate
            frequency = 440 * 2 ** ((roll[begin, voice] - 69) / 12)
            tone = sum(np.sin(2 * np.pi * k * frequency * t) / k**1.6 for k in range(1, 5) if k * frequency < rate / 2)
            envelope = np.minimum(1, t / 0.02) * np.exp(-0.8 * t) * np.minimum(1, (t[-1] - t) / 0.08)
            track[begin * length : begin * length + len(t)] += tone * envelope
    return track / max(1.0, np.abs(track).max())
