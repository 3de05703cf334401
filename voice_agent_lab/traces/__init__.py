"""Turns out to other tools: traces that their viewers open."""
