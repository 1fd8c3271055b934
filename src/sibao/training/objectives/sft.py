"""Supervised fine-tuning: next-token prediction with loss on the target only (InstructGPT, arXiv 2203.02155, step 1).

The mask that decides it was written with the tokens (``text.chat.training_ids``); rows hold whole examples.
"""

from __future__ import annotations

from sibao.training.objectives.causal import loss_sum as loss_sum

WHOLE_DOCUMENTS = True
"""An example must not lose its prompt."""
