"""Span corruption (T5, arXiv 1910.10683, section 3.1.4): what was cut out of a text is the answer to what is left.

``training.spans`` cuts; the loss is that of any source and answer.
"""

from __future__ import annotations

from sibao.training.objectives.seq2seq import loss_sum as loss_sum

WHOLE_DOCUMENTS = False
"""Documents are cut to fill every row."""
