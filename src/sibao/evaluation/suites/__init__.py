"""One file per suite; the file name is the key. Each defines ``SUITE``."""
