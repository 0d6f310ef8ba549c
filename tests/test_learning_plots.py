"""Learning curves over their evidence, the gates' heat maps, and the stream of names they read."""

import pytest
import torch

from course_lib.checks import InputError
from course_lib.drawing import lstm_cell
from course_lib.evidence import recorded
from course_lib.learning_plots import gate_plot, learning_plot
from course_lib.tasks import adding, delayed_recall, load_names, names_in_a_row


@pytest.mark.parametrize(("task", "name"), [(adding(50), "adding"), (delayed_recall(30), "recall")])
def test_a_run_is_drawn_over_the_recorded_seeds(task, name):
    table = recorded(name)
    live = table[(table["lr"] == 1e-2) & (table["seed"] == 0) & (table["T"] == task.T) & (table["model"] == "LSTM")]
    lines = learning_plot(task, table, live).axes[0].lines
    models = table.loc[table["T"] == task.T, "model"].nunique()
    assert len(lines) == 3 * models + 1 + 1  # three seeds each, the run, the baseline
    alt = learning_plot(task, table).alt
    assert all(f"{model} solved by" in alt for model in table["model"].unique())
    with pytest.raises(InputError, match="nothing is recorded for"):
        learning_plot(adding(7), table)


def test_gates_and_cell_are_drawn_with_alt_text():
    plot = gate_plot("·ab·", {"forget gate": torch.rand(4, 5).tolist()})
    assert plot.axes[0].images[0].get_array().shape == (5, 4)
    assert "forget gate" in plot.alt
    assert "forget gate" in lstm_cell().alt


def test_names_in_a_row_run_on_without_a_gap(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\n".join("abcdefghijklmnop"[k : k + 4] for k in range(12)))
    names = load_names(path, validation=0.25)
    batch = names_in_a_row(names, T=8).batch(5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(batch.inputs[:, 1:], batch.targets[:, :-1])
    stream = "".join(name + "\n" for name in names.train)
    assert all(names.characters.decode(row) in stream for row in batch.inputs.tolist())
