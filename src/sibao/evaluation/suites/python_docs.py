"""The documentation of Python 3.13 and its Chinese translation, paragraph by paragraph."""

from __future__ import annotations

from sibao.evaluation.suites._pairs import PairSuite


class PythonDocs(PairSuite):
    """reStructuredText mark-up is kept. Translated from English; zh→en is the way back."""

    name = "python_docs"
    about = {"en": "paragraphs of Python's documentation", "zh": "Python 文档的段落"}
    license = "PSF-2.0, translation CC0-1.0"
    source = "https://github.com/python/python-docs-zh-cn"
    folder = "python_docs"


SUITE = PythonDocs()
