"""``python -m sibao.cli.reference`` prints docs/cli.md: all commands and options. A test keeps the list frozen."""

from __future__ import annotations

from sibao.cli._documents import command_document, publish

if __name__ == "__main__":
    publish(command_document())
