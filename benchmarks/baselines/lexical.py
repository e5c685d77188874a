"""Route by shared words: BM25 and TF-IDF over the agents' whole texts."""

from __future__ import annotations

import numpy as np

from benchmarks.task import Scores, Task


def bm25(task: Task) -> Scores:
    """Score with BM25 as bm25s ships it: English stop words, Snowball stemmer, k1 1.5, b 0.75."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def tokenize(texts: tuple[str, ...]) -> list[list[str]]:
        tokens: list[list[str]] = bm25s.tokenize(
            list(texts),
            stopwords="en",
            stemmer=stemmer,
            return_ids=False,
            show_progress=False,
        )
        return tokens

    model = bm25s.BM25()
    model.index(tokenize(task.whole_texts), show_progress=False)
    known = model.vocab_dict
    scores = np.zeros((len(task.requests), len(task.names)), dtype=np.float32)
    for row, terms in enumerate(tokenize(task.requests)):
        shared = [term for term in terms if term in known]
        if shared:
            scores[row] = model.get_scores(shared)
    return scores


def tfidf(task: Task) -> Scores:
    """Score by the cosine of TF-IDF vectors (scikit-learn; English stop words, log counts)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True, dtype=np.float32)
    agents = vectorizer.fit_transform(task.whole_texts)
    scores = vectorizer.transform(task.requests) @ agents.T
    return np.asarray(scores.toarray(), dtype=np.float32)
