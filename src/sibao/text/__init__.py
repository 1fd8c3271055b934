"""Floor 2: text - readers, cleaning, deduplication, tokenizers, chat templates, token files, streaming detokenization."""
