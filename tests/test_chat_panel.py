"""The chat panel and the cost panel, without a browser: what is typed, streamed, stopped, and shown."""

import time

import pytest
import torch

pytest.importorskip("ipywidgets")

from course_lib.checks import InputError
from course_lib.models.bpe import BPE
from course_lib.panels.chat import ChatPanel, Speaker
from course_lib.panels.runner import State
from course_lib.panels.scaling import STEP_LOOP, CostPanel, cost_plot, times_of
from course_lib.pretraining import small_decoder
from course_lib.scaling import DEVICES, PRESETS, training_seconds


class Tokenizer:
    """Bytes, and one control token, with the interface of `tokenizers`."""

    def encode(self, text):
        return type("Encoding", (), {"ids": list(text.encode())})()

    def decode(self, ids):
        return BPE().decode(i for i in ids if i < 256)

    def token_to_id(self, token):
        return 256


@pytest.fixture
def speaker():
    return Speaker(small_decoder(257, 16, 1, 2, T=600, zero_init=False, init_std=0.5), Tokenizer())


@pytest.fixture
def panel(speaker):
    panel = ChatPanel(speaker, mode="cell")
    panel.new.value, panel.message.value = 12, "Hello <b>"
    return panel


def test_it_answers(panel):
    panel.run.click()
    assert panel.runner.state in (State.DONE,)
    assert [m["role"] for m in panel.messages] == ["user", "assistant"]
    assert "Hello &lt;b&gt;" in panel.table.value
    assert "tokens a second" in panel.status.value
    assert 'role="status"' in panel.status.value
    expected = list(panel.speaker.stream(panel.messages[:1], 12, 0.0))
    assert [row["token"] for row in panel.runner.rows] == expected
    panel.message.value = "And then?"
    panel.run.click()
    assert [m["role"] for m in panel.messages] == ["user", "assistant", "user", "assistant"]
    panel.clear.click()
    assert panel.messages == []


def test_nothing_typed_starts_nothing(panel):
    panel.message.value = "  "
    panel.run.click()
    assert "message is empty" in panel.status.value
    assert panel.messages == []


def test_the_worker_stops_and_keeps_what_was_said(speaker):
    panel = ChatPanel(speaker, mode="worker")
    panel.new.value = 200
    slow = speaker.stream

    def stream(*args):
        for token in slow(*args):
            time.sleep(0.02)
            yield token

    speaker.stream = stream
    panel.run.click()
    while panel.runner.busy and not panel.runner.rows:
        time.sleep(0.01)
    assert panel.run.disabled
    assert panel.message.disabled
    panel.halt.click()
    panel.runner.thread.join(5)
    assert panel.runner.state is State.STOPPED
    assert 0 < len(panel.runner.rows) < 200
    assert panel.messages[-1]["role"] == "assistant"
    assert "Stopped" in panel.status.value


def test_what_could_come_next_are_the_models_probabilities(panel):
    panel.run.click()
    panel.what_else.click()
    assert "alt=" in panel.plot.value
    assert "After “" in panel.plot.value  # the bars say after which words
    rows = panel.runner.rows
    ids = torch.cat((panel.speaker.ids(panel.messages[:1], 13), torch.tensor([panel._answer])), 1)
    p = panel.speaker.model(ids)[0, -1].softmax(-1)
    assert [row["p"] for row in rows] == pytest.approx(p.topk(8).values.tolist(), rel=1e-4)
    assert len(panel.messages) == 2


def test_with_weights_of_eight_bits_the_rounded_model_answers(panel):
    panel.weights.value = "eight bits"
    panel.run.click()
    light = panel.speaker.light()
    assert light is panel.speaker.light()  # made once
    assert light.model is not panel.speaker.model
    assert [row["token"] for row in panel.runner.rows] == list(light.stream(panel.messages[:1], 12, 0.0))
    panel.what_else.click()
    assert panel.runner.state is State.DONE
    assert [row["token"] for row in panel.runner.rows] == [row["token"] for row in light.next(panel.messages[:1], panel._answer, 1.0)]


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [("Hello", "After “Hello”"), ("Why is the sky blue? It is blue because of …", "After “… sky blue? It is blue because of”"), ("x" * 50, "After “… " + "x" * 34 + "”"), ("a\nb 東", "After “a b ·”")],
)
def test_the_bars_say_after_which_words(panel, prompt, shown):
    plot, _ = panel.draw([{"token": " the", "p": 0.9, "prompt": prompt}])
    assert shown in plot.alt
    assert "␣the 0.90" in plot.alt


def test_old_messages_make_room(speaker):
    long = [{"role": "user", "content": "a" * 150}, {"role": "assistant", "content": "b" * 150}, {"role": "user", "content": "c"}]
    assert speaker.ids(long, 50).shape[1] <= 550
    with pytest.raises(InputError, match="too long"):
        speaker.ids([{"role": "user", "content": "a" * 700}], 10)
    with pytest.raises(InputError, match="context holds 600"):
        speaker.ids(long, 600)


def test_without_weights_the_small_model_continues_and_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    speaker = Speaker()
    assert "answers nothing" in speaker.note
    assert not speaker.chats
    panel = ChatPanel(speaker, mode="cell")
    panel.message.value, panel.new.value = "The history of", 8
    panel.run.click()
    assert panel.runner.state is State.DONE
    assert "answers nothing" in panel.status.value
    assert len(panel.runner.rows) == 8


def test_on_a_page_it_shows_a_recorded_answer():
    data, metadata = ChatPanel(mode="cell")._repr_mimebundle_()
    assert {"image/png", "text/plain", "application/vnd.jupyter.widget-view+json"} <= set(data)
    assert "tokens a second" in data["text/plain"]
    assert metadata["image/png"]["alt"]


# -- the cost panel -----------------------------------------------------------------------------------------


def test_the_costs_are_those_of_the_calculator():
    days = times_of("GPT-3 175B", "A100 80GB", 1024, 0.34, 300e9, 3.2e6)
    arithmetic, wave, fused, loop = days.values()
    assert arithmetic == training_seconds(PRESETS["GPT-3 175B"].training_flops(), "A100 80GB", 1024, 0.34) / 86_400
    assert arithmetic < wave < fused < loop
    assert loop - arithmetic == pytest.approx(93_750 * 2 * 2048 * 96 * STEP_LOOP / 86_400)
    assert times_of("GPT-3 175B", "abacus", 1, 0.5, 1e9, 1e6) is None


def test_the_cost_panel_answers_at_once():
    panel = CostPanel()
    first = panel.image.value
    assert "3.14e+23 FLOPs" in panel.status.value
    panel.model.value = "PaLM 540B"
    assert panel.tokens.value == 780
    assert "2.53e+24 FLOPs" in panel.status.value
    panel.slider.value = 2.0**12
    assert panel.count.value == 4096
    assert panel.image.value != first
    data, metadata = panel._repr_mimebundle_()
    assert {"image/png", "text/plain"} <= set(data)
    assert "days" in metadata["image/png"]["alt"]
    panel.batch.value, panel.tokens.value = 1000, 0.5
    assert "Not computed" in panel.status.value


def test_every_chip_can_be_chosen():
    assert all(times_of("GPT-2 124M", name, 1, 0.4, 1e9, 1e6) for name in DEVICES)
    assert "4.0 days" in cost_plot({"a": 4.0, "b": 900.0}, "t").alt
    assert "2 years" in cost_plot({"a": 4.0, "b": 900.0}, "t").alt
