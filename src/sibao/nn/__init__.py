"""Floor 1: layers of the Transformer, and three networks (decoder, encoder, encoder-decoder): every family by their configs.

Dimension letters used in this package: B batch, T query positions, S key positions, D width, H query heads,
K key/value heads, G = H / K query heads per key/value head, E head width, F feed-forward width, V vocabulary.
"""
