"""One file per metric: text in, score out. The file name is the metric's name.

Every metric module has ``NAME``, ``CITATION``, ``HIGHER_IS_BETTER``, ``SCALE`` (the best value, None where there is
none), ``CASES`` (published values, the test table), ``score(...)`` and ``per_row(...)``. ``INPUT`` says what it reads:
``"text"`` metrics take ``(hypotheses, references, *, language=None)`` with a list of references for every row;
``"likelihood"`` metrics take log-likelihoods. Fractions (accuracy, F1, ROUGE) lie in 0..1, BLEU and chrF in 0..100, as
their papers print them. Metrics whose corpus score is not a mean of rows also have ``row_statistics(...)`` and
``from_sums(...)``, which ``evaluation.statistics.compare`` takes.
"""
