"""Learning-rate schedules: a factor for each step, a pure function of the step."""

from __future__ import annotations

import math

from sibao.training.recipe import ScheduleSection


def factor(schedule: ScheduleSection, step: int) -> float:
    """What the base rate is multiplied with at ``step`` (from 0).

    Linear warm-up, then cosine (arXiv 1608.03983, eq. 5) or warm-up-stable-decay (MiniCPM, arXiv 2404.06395, section 4).
    """
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    low = schedule.min_ratio
    if schedule.name == "cosine":
        done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
    decay_steps = max(1, round(schedule.decay * schedule.steps))
    left = schedule.steps - step
    return 1.0 if left > decay_steps else low + (1 - low) * left / decay_steps
