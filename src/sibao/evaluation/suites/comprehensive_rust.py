"""The course Comprehensive Rust and its Chinese translation, paragraph by paragraph."""

from __future__ import annotations

from sibao.evaluation.suites._pairs import PairSuite


class ComprehensiveRust(PairSuite):
    """Many rows are headings of a few words. Translated from English; zh→en is the way back."""

    name = "comprehensive_rust"
    about = {"en": "headings and paragraphs of a course on Rust", "zh": "Rust 课程的标题与段落"}
    license = "CC BY 4.0"
    source = "https://github.com/google/comprehensive-rust"
    folder = "comprehensive_rust"


SUITE = ComprehensiveRust()
