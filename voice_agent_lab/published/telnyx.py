"""Telnyx's documentation of Deepgram Flux (2026): what its eager end of turn brings and costs."""

FLUX_EAGER_SAVED = (0.150, 0.250)
"""Seconds saved with an eager threshold of 0.3 to 0.5."""

FLUX_EAGER_MORE_CALLS = (0.50, 0.70)
"""Additional calls of the language model with these thresholds, as a share."""
