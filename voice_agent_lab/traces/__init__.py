"""Turns in from the traces of other tools, and out to their viewers; what each source knows and cannot know."""
