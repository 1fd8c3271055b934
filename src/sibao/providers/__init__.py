"""Floor 4: where a model runs. One file per provider; the file name is the part of a model's name before the colon."""
