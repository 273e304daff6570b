"""Whether an answer is on topic: the stated rule by which talk is judged.

An answer is on topic when it is in the language of the question (code is in none) and holds at
least one word of each group. Exact agreement would be too strict for talk, and an impression cannot
be repeated."""

from __future__ import annotations

from training.examples import Topic
from training.phrasing import language_of


def is_on_topic(question: str, answer: str, topic: Topic) -> bool:
    said = answer.lower()
    speaks_it = "```" in said or language_of(question) == language_of(answer)
    return speaks_it and all(any(word.lower() in said for word in group) for group in topic)
