"""Parts of bench/engine.py: what is measured, the files for each peer, the quiet that is waited for, the page."""
