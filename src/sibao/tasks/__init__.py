"""The jobs of a language model: one file per task, forms of writing in ``forms``, long documents in ``long``."""
