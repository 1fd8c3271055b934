"""The recipe's scripts import each other as neighbours, as they do when they are run."""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "mini"
sys.path.append(str(FOLDER))
