"""Colours and sizes of the pictures, close to Grafana's dark theme so that people recognise what they will see."""

BACKGROUND = "#111217"
PANEL = "#181b1f"
BORDER = "#2c2f36"
GRID = "#2a2d33"
TEXT = "#ccccdc"
MUTED = "#8e8e9a"
GOOD = "#73bf69"
BAD = "#f2495c"
PALETTE = (
    "#73bf69", "#f2cc0c", "#5794f2", "#ff780a", "#f2495c", "#b877d9", "#3eb8c4", "#e0b400", "#8ab8ff", "#fa8072",
    "#96d98d", "#ffb357", "#ca95e5", "#c0d8ff",
)  # fmt: skip

# Pixels. A unit of the grid is 24th of the width, and so high that ten lines of small text fit a panel.
DPI = 100
WIDTH = 1280
UNIT_HEIGHT = 27
GAP = 8
HEADER = 52
FONT = 8.0
SMALL = 7.0
