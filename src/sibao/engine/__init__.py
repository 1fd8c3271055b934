"""Floor 3: requests in, events out. Token ids only: no tokenizer, no HTTP, no tasks."""
