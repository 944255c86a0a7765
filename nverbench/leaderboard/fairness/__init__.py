"""The fairness view: the scores of one system by sex, age or language of the speakers.

It is computed when it is shown, from predictions and the facts that the corpus on this machine says
(``Clip.speaker_facts``); nothing of it is stored (docs/fairness.md).
"""
