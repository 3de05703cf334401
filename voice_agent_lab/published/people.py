"""When people take their turn: silences in conversation, in milliseconds.

A *gap* is the silence between two speakers; it is negative when they overlap.

Sources
-------
* Stivers et al. 2009: answers to yes/no questions in ten languages.
* Roberts & Francis 2013: ratings of answers that came after 200 to 1200 ms.
"""

ANSWER_MEAN_MS = 208
"""The mean gap before an answer, over all languages; Stivers et al. 2009."""

ANSWER_MEDIANS_MS = (0, 300)
"""The lowest and the highest median gap of a language; Stivers et al. 2009."""

ANSWER_MEDIAN_ENGLISH_MS = 0
"""The median gap in English; Stivers et al. 2009."""

RATINGS_DROP_MS = 600
"""The gap at which ratings of an answer drop notably; Roberts & Francis 2013."""

RATINGS_DIFFER_MS = (700, 800)
"""Two gaps whose ratings differ significantly; Roberts & Francis 2013."""
