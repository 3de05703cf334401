"""Explorers: sliders over a pure draw function, a picture, and a sentence of its numbers.

Each module of this folder belongs to one notebook, and each of its functions makes an `Explorer`.
"""

from voice_agent_lab.explorers.base import Explorer, choice, slider, switch

__all__ = ["Explorer", "choice", "slider", "switch"]
