"""Floor 3: objectives, batches, optimizers, schedules, checkpoints and the one loop that uses them.

Gets token files and a model; knows nothing of text, prompts or tasks. Letters: B rows, T positions, D width, V vocabulary.
"""
