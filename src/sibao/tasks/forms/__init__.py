"""Forms of writing: one file per form, with its prompt and its checker."""
