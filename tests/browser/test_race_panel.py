"""Twenty things that a reader may do to the race panel, done in a real browser."""

import re
import shutil
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "notebooks" / "07_parallel_processing.ipynb"
PANEL = "from course_lib.panels import RacePanel\npanel = RacePanel(T=64)\npanel"
LONG = "from course_lib.panels import RacePanel\npanel = RacePanel(['lstm-loop', 'gru-loop', 'mingru-loop', 'rnn-loop'], T=1024)\npanel"
WORKERS = "import threading\nprint('WORKERS', sum(t.name == 'course-panel' and t.is_alive() for t in threading.enumerate()), 'JOB', panel.runner.run_id, panel.runner.state.value)"


def rows_of(lab) -> int:
    return lab.page.locator(".course-panel table.course tbody tr").count()


def test_01_a_notebook_not_yet_run_shows_the_recorded_picture(lab, server):
    shutil.copy(NOTEBOOK, server.root / "unrun.ipynb")
    page = lab(name="unrun.ipynb", run=False).page
    cell = page.locator(".jp-CodeCell", has_text="RacePanel(guess=").first
    cell.scroll_into_view_if_needed()
    image = cell.locator("img").first
    image.wait_for(timeout=20_000)
    assert image.evaluate("e => e.naturalWidth") > 500
    assert "Error displaying widget" not in page.content()


def test_02_03_run_all_ends_well_and_a_plot_stands_before_any_click(lab):
    one = lab(PANEL, "from course_lib.panels import StepByStep, predict\nStepByStep()", "predict('k', ['a', 'b'], question='Which?')")
    assert one.page.locator(".course-panel").count() == 2
    assert one.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert one.page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
    image = one.page.locator(".course-panel .course-plot img").first
    assert image.evaluate("e => e.naturalWidth") > 500
    assert "Recorded" in one.status()
    assert not one.errors


def test_04_05_an_arrow_key_moves_value_and_readout_and_starts_no_timing(lab):
    one = lab(PANEL)
    handle = one.page.locator(".widget-hslider .noUi-handle").first
    before, shown = handle.get_attribute("aria-valuenow"), one.number("longest length T").input_value()
    picture = one.picture()
    handle.focus()
    handle.press("ArrowRight")
    one.page.wait_for_timeout(500)
    assert handle.get_attribute("aria-valuenow") != before
    assert int(one.number("longest length T").input_value()) == 2 * int(shown)
    assert "Stale" in one.status()
    assert one.button("Run").is_enabled()
    assert one.picture() == picture


def test_06_07_08_run_changes_everything_and_locks_the_inputs_meanwhile(lab):
    one = lab(PANEL)
    picture = one.picture()
    one.button("Run").click()
    until_busy(one)
    assert one.button("Run").is_disabled()
    assert one.number("longest length T").is_disabled()
    assert one.page.locator(".course-panel input[type=checkbox]").first.is_disabled()
    seen = []
    while "Done" not in one.status():
        seen.append(one.page.locator(".course-panel .progress-bar").first.evaluate("e => parseFloat(e.style.width)"))
        one.page.wait_for_timeout(40)
        assert len(seen) < 1000, one.status()
    assert seen == sorted(seen)
    assert max(seen) > 0
    assert rows_of(one) == 3
    assert one.picture() != picture
    assert one.button("Run").is_enabled()
    assert one.button("Stop").is_disabled()


def test_09_stop_acts_within_a_second_and_keeps_the_rows(lab):
    one = lab(LONG)
    one.button("Run").click()
    until_first_rows(one)
    start = time.monotonic()
    one.button("Stop").click()
    one.wait_status("Stopped")
    assert time.monotonic() - start < 1.0
    assert re.search(r"[1-9]\d* rows are kept", one.status())
    assert rows_of(one) >= 1


def test_10_stop_when_idle_is_harmless(lab):
    one = lab(PANEL, "panel.runner.stop(); panel.runner.stop(); print('still', panel.runner.state.value)")
    assert one.button("Stop").is_disabled()
    assert "still recorded" in one.text_of(1)
    one.button("Run").click()
    one.wait_status("Done")


def test_11_a_double_click_starts_one_job(lab):
    one = lab(LONG, WORKERS)
    one.button("Run").dblclick()
    until_busy(one)
    one.run_cell(1)
    one.page.wait_for_timeout(1500)
    assert "WORKERS 1 JOB 1" in one.text_of(1)
    one.button("Stop").click()
    one.wait_status("Stopped")


def test_12_running_the_cell_again_leaves_one_worker(lab):
    one = lab(LONG, WORKERS)
    one.button("Run").click()
    until_busy(one)
    one.run_cell(0)
    one.page.wait_for_timeout(2500)
    one.button("Run").click()
    until_busy(one)
    one.page.wait_for_timeout(1000)
    one.run_cell(1)
    one.page.wait_for_timeout(1500)
    assert "WORKERS 1" in one.text_of(1)
    one.button("Stop").click()
    one.wait_status("Stopped")


def test_13_another_cell_runs_during_a_job(lab):
    one = lab(LONG, WORKERS)
    one.button("Run").click()
    until_busy(one)
    one.run_cell(1)
    one.page.wait_for_timeout(2000)
    assert re.search(r"JOB 1 (warming up|measuring)", one.text_of(1))
    one.button("Stop").click()
    one.wait_status("Stopped")


def test_14_running_out_of_memory_is_told_and_a_later_run_succeeds(lab):
    sabotage = (
        "import torch, course_lib.race.run as run\nkept = run.make_call\n"
        "def greedy(contestant, pass_, T, *rest, **more):\n"
        "    if contestant.name == 'attention-sdpa' and T == 32:\n        raise torch.OutOfMemoryError('CUDA out of memory')\n"
        "    return kept(contestant, pass_, T, *rest, **more)\nrun.make_call = greedy"
    )
    one = lab(PANEL, sabotage, "run.make_call = kept", run=False)
    one.run_cell(0)
    one.quiet()
    one.run_cell(1)
    one.quiet()
    one.button("Run").click()
    one.wait_status("Done")
    assert "out of memory" in one.page.locator("table.course").first.inner_text()
    one.run_cell(2)
    one.quiet()
    one.button("Run").click()
    one.page.wait_for_timeout(300)
    one.wait_status("Done")
    assert "out of memory" not in one.page.locator("table.course").first.inner_text()


def test_15_without_a_gpu_cuda_cannot_be_chosen_and_the_panel_says_why(lab):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    one = lab(PANEL)
    one.page.get_by_text("More: heads, dtype, device, threads").click()
    assert one.page.get_by_text("torch sees no GPU here").is_visible()
    assert one.page.get_by_label("device", exact=True).locator("option").all_inner_texts() == ["cpu"]


def test_16_an_interrupt_in_blocking_mode_keeps_the_rows(lab, server):
    one = lab(LONG.replace("T=1024", "T=1024, mode='cell'"))
    one.button("Run").click()
    until_first_rows(one)
    kernel = next(s["kernel"]["id"] for s in server.api("sessions") if s["path"] == one.name)
    server.api(f"kernels/{kernel}/interrupt", "POST")
    one.wait_status("Stopped")
    assert re.search(r"[1-9]\d* rows are kept", one.status())
    assert rows_of(one) >= 1


def test_17_a_reload_in_the_middle_of_a_run_recovers(lab):
    one = lab(LONG)
    one.button("Run").click()
    until_busy(one)
    one.command("docmanager:save")
    one.page.wait_for_timeout(1500)
    one.page.reload()
    one.page.wait_for_selector(".course-panel [role=status]", timeout=60_000)
    until_busy(one)
    one.button("Stop").click()
    one.wait_status("Stopped")


def test_18_after_a_kernel_restart_running_again_works(lab, server):
    one = lab(PANEL)
    kernel = next(s["kernel"]["id"] for s in server.api("sessions") if s["path"] == one.name)
    server.api(f"kernels/{kernel}/restart", "POST")
    one.page.wait_for_timeout(1500)
    one.run_all()
    one.button("Run").click()
    one.wait_status("Done")
    assert rows_of(one) == 3


def test_19_names_roles_and_no_serious_fault_for_a_screen_reader(lab):
    from axe_playwright_python.sync_playwright import Axe

    one = lab(PANEL)
    image = one.page.locator(".course-panel .course-plot img").first
    assert len(image.get_attribute("alt")) > 40
    assert one.page.locator(".course-panel [role=status][aria-live=polite]").count() == 1
    for label in ("longest length T", "batch size B", "width D"):
        assert one.number(label).is_visible()
    one.page.locator(".course-panel input[type=checkbox]").first.focus()
    order = []
    for _ in range(30):
        one.page.keyboard.press("Tab")
        order.append(one.page.evaluate("document.activeElement.innerText || document.activeElement.type || document.activeElement.getAttribute('role')"))
    assert any("Run" in str(name) for name in order), order
    one.page.get_by_text("More: heads, dtype, device, threads").click()
    found = Axe().run(one.page, context=".course-panel", options={"rules": {"region": {"enabled": False}}})
    serious = [v for v in found.response["violations"] if v["impact"] in ("serious", "critical")]
    # noUiSlider's handle carries no name of its own and cannot be given one; each has a named number beside it
    serious = [v for v in serious if not all("noUi-handle" in node["html"] for node in v["nodes"])]
    assert not serious, [(v["id"], [n["html"][:160] for n in v["nodes"]][:3]) for v in serious]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_20_themes_narrow_page_print_and_a_steady_height(lab, theme):
    one = lab(PANEL)
    one.page.evaluate("theme => { window.jupyterapp.commands.execute('apputils:change-theme', {theme}); }", theme)
    one.page.set_viewport_size({"width": 800, "height": 900})
    one.page.wait_for_timeout(1500)
    panel = one.page.locator(".course-panel").first
    assert panel.evaluate("e => e.scrollWidth - e.clientWidth") <= 2
    ink, ground = contrast_colours(one.page)
    assert abs(luminance(ink) - luminance(ground)) > 0.4, (ink, ground)
    artifacts = ROOT / "tests" / "artifacts"
    artifacts.mkdir(exist_ok=True)
    panel.screenshot(path=artifacts / f"race_panel_{theme.split()[-1].lower()}.png")
    heights = []
    one.button("Run").click()
    while "Done" not in one.status():
        heights.append(one.page.evaluate("document.querySelector('.course-panel .course-plot').getBoundingClientRect().height"))
        one.page.wait_for_timeout(50)
    assert min(heights) > 100
    assert max(heights) - min(heights) <= 2
    one.page.emulate_media(media="print")
    assert one.page.locator(".course-panel .course-plot img").first.is_visible()
    assert one.button("Run").is_hidden()
    one.page.emulate_media(media="screen")
    assert not one.errors, one.errors


def until_busy(one):
    one.page.wait_for_function("() => /measuring|warming/i.test(document.querySelector('.course-panel [role=status]').innerText)", timeout=30_000)


def until_first_rows(one):
    """The recorded table has seven rows; this run's begins with one."""
    one.page.wait_for_function(
        "() => { const n = document.querySelectorAll('.course-panel table.course tbody tr').length; return n >= 1 && n <= 4 && /measuring/i.test(document.querySelector('.course-panel [role=status]').innerText) }",
        timeout=60_000,
    )


def contrast_colours(page):
    status = page.locator(".course-panel [role=status]").first
    ink = status.evaluate("e => getComputedStyle(e).color")
    ground = status.evaluate("e => { while (e && /rgba\\(.*, 0\\)/.test(getComputedStyle(e).backgroundColor)) e = e.parentElement; return getComputedStyle(e).backgroundColor }")
    return ink, ground


def luminance(colour: str) -> float:
    red, green, blue = (int(float(n)) / 255 for n in re.findall(r"[\d.]+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
