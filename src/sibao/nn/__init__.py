"""Floor 1: layers of the Transformer, and one decoder that is GPT-2, Llama, Mistral, Qwen2 or Qwen3 by its config.

Dimension letters used in this package: B batch, T query positions, S key positions, D width, H query heads,
K key/value heads, G = H / K query heads per key/value head, E head width, F feed-forward width, V vocabulary.
"""
