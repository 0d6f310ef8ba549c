"""The interactive panels. Needs ipywidgets (7.7 or newer)."""

from course_lib.panels.chat import ChatPanel, Speaker
from course_lib.panels.gradient import GradientPanel
from course_lib.panels.heatmap import HeatmapPanel
from course_lib.panels.predict import answer, predict
from course_lib.panels.race import RacePanel
from course_lib.panels.sampling import SamplingPanel
from course_lib.panels.scaling import CostPanel
from course_lib.panels.stepper import StepByStep
from course_lib.panels.wordmap import MapPanel

__all__ = ["ChatPanel", "CostPanel", "Speaker", "GradientPanel", "HeatmapPanel", "MapPanel", "RacePanel", "SamplingPanel", "StepByStep", "answer", "predict"]
