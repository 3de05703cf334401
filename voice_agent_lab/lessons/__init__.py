"""One module for each notebook, under its name: its experiments, and what its explorers draw.

`explorer` is the explorer itself, `exercises` the checks, and `sounds` finds the recordings. What several
lessons need lives in `measure`, `models` and `plots`.
"""
