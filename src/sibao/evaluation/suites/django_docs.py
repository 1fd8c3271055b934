"""The documentation of Django 5.1 and its Chinese translation, paragraph by paragraph."""

from __future__ import annotations

from sibao.evaluation.suites._pairs import PairSuite


class DjangoDocs(PairSuite):
    """reStructuredText mark-up is kept. Translated from English; zh→en is the way back."""

    name = "django_docs"
    about = {"en": "paragraphs of Django's documentation", "zh": "Django 文档的段落"}
    license = "BSD-3-Clause"
    source = "https://github.com/django/django-docs-translations"
    folder = "django_docs"


SUITE = DjangoDocs()
