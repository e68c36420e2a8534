"""One HTML page that says what a run made: the curve, the scores, the labels to look at, and what was dropped."""
