"""All that is said of a turn, read off its event log: stamps, budgets, parts, what was heard.

`log` holds what happened, `turn` reads it, `latency` judges it. Nothing is measured twice, and nothing
here runs a pipeline.
"""
