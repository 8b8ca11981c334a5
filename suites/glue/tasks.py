"""The table of tasks: MeZO's templates and label words, and the tiny world's own prompts.

Source: Malladi et al., arXiv 2305.17333, appendix (templates of RoBERTa and OPT) and the authors' code.

Departures: the rows are the Hub's. Labels are the Hub's integers, so the words stand in its order. TREC's abbreviations
(class 0 there) are asked for as Expression.
"""
from __future__ import annotations

from pathlib import Path

from methods.parts import Refused
from suites.glue.task import Form, Task

_GLUE, _SUPER = "nyu-mll/glue", "aps/super_glue"
_SENTIMENT = (" terrible", " great")
_NLI = (" Yes", " Maybe", " No")
_YES_NO = "Yes", "No"

MASKED = (
    Task("sst2", "mask", _GLUE, "sst2", "{sentence} It was[M].", _SENTIMENT, most=128),
    Task("sst5", "mask", "SetFit/sst5", None, "{text} It was[M].", (" terrible", " bad", " okay", " good", " great"),
         test="test", most=128, first=110),
    Task("trec", "mask", "CogComp/trec", None, "[M]: {text}",
         (" Expression", " Entity", " Description", " Human", " Location", " Number"), label="coarse_label", test="test",
         most=128, first=110),
    Task("mnli", "mask", _GLUE, "mnli", "{premise!c}?[M], {hypothesis!f}", _NLI, test="validation_matched", most=256,
         first=240),
    Task("snli", "mask", "stanfordnlp/snli", None, "{premise!c}?[M], {hypothesis!f}", _NLI, most=256),
    Task("rte", "mask", _GLUE, "rte", "{sentence1!c}?[M], {sentence2!f}", (" Yes", " No"), most=256, first=240),
)
NEXT = (
    Task("sst2", "next", _GLUE, "sst2", "{sentence} It was", _SENTIMENT),
    Task("rte", "next", _SUPER, "rte", '{premise}\nDoes this mean that "{hypothesis}" is true? Yes or No?\n', _YES_NO),
    Task("cb", "next", _SUPER, "cb", 'Suppose {premise} Can we infer that "{hypothesis}"? Yes, No, or Maybe?\n',
         (*_YES_NO, "Maybe"), dev=100),
    Task("boolq", "next", _SUPER, "boolq", "{passage} {question!q}\n", _YES_NO[::-1]),
    Task("wsc", "next", _SUPER, "wsc.fixed", '{text}\nIn the previous sentence, does the pronoun "{span2_text!l}" refer to '
         "{span1_text}? Yes or No?\n", _YES_NO[::-1]),
    Task("wic", "next", _SUPER, "wic", 'Does the word "{word}" have the same meaning in these two sentences? Yes, No?\n'
         "{sentence1}\n{sentence2}\n", _YES_NO[::-1]),
    Task("multirc", "next", _SUPER, "multirc", '{paragraph}\nQuestion: {question}\nI found this answer "{answer}". Is that '
         "correct? Yes or No?\n", _YES_NO[::-1]),
    Task("copa", "next", _SUPER, "copa", "{premise!p} {question!b}", (" {choice1!i}", " {choice2!i}"), dev=100),
    Task("record", "next", _SUPER, "record", "{passage!h}\n-", (" {query}",), per="entities", answers="answers"),
    Task("squad", "next", "rajpurkar/squad", None, "Title: {title}\nContext: {context}\nQuestion: {question}\nAnswer:",
         answers="answers.text"),
    Task("drop", "next", "ucinlp/drop", None, "Passage: {passage}\nQuestion: {question}\nAnswer:",
         answers="answers_spans.spans"),
)
WORLD = (
    Task("sst2", "world", _GLUE, "sst2", "{sentence}\nQuestion: Is this sentence positive or negative?\nAnswer:",
         (" negative", " positive")),
    Task("rte", "world", _GLUE, "rte", "{sentence1}\nQuestion: {sentence2} True or False?\nAnswer:", (" True", " False")),
)
TASKS: dict[tuple[str, Form], Task] = {(t.name, t.form): t for t in (*MASKED, *NEXT, *WORLD)}


def form_of(masked: bool, source: Path | None) -> Form:
    """A masked model reads RoBERTa's templates, a causal one OPT's, or the tiny world's where the data are its own.

    The tiny world's folder is known by the sets of its own that lie beside the benchmarks.
    """
    if masked:
        return "mask"
    return "world" if source is not None and (source / "world").is_dir() else "next"


def find(name: str, masked: bool, source: Path | None) -> Task:
    """The task of this name in the form for the model and the data; Refused where there is none."""
    form = form_of(masked, source)
    if (name, form) not in TASKS:
        kind = {"mask": "masked models", "next": "causal models", "world": "the tiny world"}[form]
        raise Refused(f"cannot use the task glue:{name}; because {kind} have none of this name; "
                      f"use one of {', '.join(names(form))}")
    return TASKS[name, form]


def names(form: Form) -> tuple[str, ...]:
    """The tasks that a form has."""
    return tuple(n for n, f in TASKS if f == form)
