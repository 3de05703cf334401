"""When people take their turn: silences in conversation, in milliseconds.

A *gap* is the silence between two speakers; it is negative when they overlap.

Sources
-------
* Stivers et al. 2009: answers to yes/no questions in ten languages.
* Heldner & Edlund 2010: intervals between speakers, gaps and overlaps together, in Swedish, Scottish
  English and Dutch conversations.
* Levinson & Torreira 2015: how long speaking takes to plan.
* Roberts & Francis 2013: ratings of answers that came after 200 to 1200 ms.
"""

ANSWER_MEAN_MS = 208
"""The mean gap before an answer, over all languages; Stivers et al. 2009."""

ANSWER_MEDIANS_MS = (0, 300)
"""The lowest and the highest median gap of a language; Stivers et al. 2009."""

ANSWER_MEDIAN_ENGLISH_MS = 0
"""The median gap in English; Stivers et al. 2009."""

MOST_INTERVALS_MS = 500
"""What most intervals between speakers are shorter than; Heldner & Edlund 2010."""

MOST_INTERVALS_PERCENT = (70, 82)
"""How many of them, from the lowest of the three languages to the highest; Heldner & Edlund 2010."""

PLANNING_MS = 600
"""What planning a word takes, and more; Levinson & Torreira 2015."""

RATINGS_DROP_MS = 600
"""The gap at which ratings of an answer drop notably; Roberts & Francis 2013."""

RATINGS_DIFFER_MS = (700, 800)
"""Two gaps whose ratings differ significantly; Roberts & Francis 2013."""
