"""The words that labels go by across corpora (``Dataset.common``), and why a label has one or has
none.

A label has a word only where its corpus means by it what the others mean; when in doubt it has
none, and its clips are in no cross-corpus row. The narrower of two labels is not the wider one, so
these have none, or a word of their own:

- VIVAE's ``pleasure`` is sexual pleasure, and that of no other corpus is: it has no common name, nor has
  ASVP-ESD's ``pleasure``.
- VIVAE's ``surprise`` is one of its three positive states, and EmoGator asked for positive and
  negative surprise apart: the positive ones share a word of their own, the negative one has none,
  and ``surprise`` is that of corpora which do not say which.
- Amusement, contentment, ecstasy, elation and excitement are not happiness (EmoGator has no
  happiness; ASVP-ESD has ``excited`` next to ``happy``).
- ``hap`` of iemocap-4 counts excited turns as happy: it is neither of the two.
- RAVDESS' ``calm`` exists next to ``neutral``; ``breath`` (ASVP-ESD) is no emotion; ``fru``
  (IEMOCAP), distress and contempt occur once only.

What a label is (portrayed or perceived, a burst or a sentence) differs all the same: a cross-corpus
row says both (``Dataset.label_card``).
"""

from __future__ import annotations

COMMON = {
    "anger": "angry, hot or cold",
    "boredom": "bored",
    "disappointment": "disappointed",
    "disgust": "disgusted",
    "fear": "afraid",
    "happiness": "happy, joyful; laughter where the corpus counts it as happy",
    "neutral": "no emotion was asked for, or heard",
    "pain": "in pain, of the body",
    "positive-surprise": "surprised by something good",
    "sadness": "sad; crying where the corpus counts it as sad",
    "surprise": "surprised, by good or bad",
    "triumph": "triumph or achievement",
}
"""Every word that a first-party dataset uses, and what it means."""
