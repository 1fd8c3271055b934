"""One file per change of the schema, numbered; ``revision`` is the number in the file's name."""
