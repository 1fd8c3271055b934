"""One file per objective: which batches it reads and what its loss is."""
