"""The prompted tasks: templates, scores against a slow reference, metrics with n and error, shots, cuts, probing, refusals."""
from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from transformers import LlamaConfig, LlamaForCausalLM

from methods.fit import fit
from methods.objective.label_words import LabelWords
from methods.parts import Refused
from methods.recipe import Recipe
from methods.scope.full import Full
from methods.scope.lora import Lora
from methods.scope.prefix import Prefix
from methods.streams import Streams
from methods.training import Training
from methods.update.adamw import AdamW
from suites import evaluate as every_suite
from suites import glue, models
from suites.glue import probe
from suites.glue.answers import exact_match, f1
from suites.glue.coding import Reader, reader_of
from suites.glue.demonstrations import demonstrations
from suites.glue.rows import read, split
from suites.glue.task import Task, item
from suites.glue.tasks import TASKS, find, names
from suites.glue.training import examples, word_ids
from tests.glue_data import N, masked_reader, record, word_tokenizer, write_tasks
from tests.hub import MODEL
from tests.reading import byte_tokenizer, reader, write_benchmarks, write_set
from tests.reference import squad

PROMPTS = {
    ("sst2", "mask"): ("w1 film It was", ".", (" terrible", " great")),
    ("trec", "mask"): ("", ": what w1", (" Expression", " Entity", " Description", " Human", " Location", " Number")),
    ("snli", "mask"): ("w1 film ?", ", it was good", (" Yes", " Maybe", " No")),
    ("rte", "mask"): ("w1 film ?", ", it was good", (" Yes", " No")),
    ("sst2", "next"): ("w1 film It was", "", (" terrible", " great")),
    ("rte", "next"): ('Rain 1.\nDoes this mean that "Wet." is true? Yes or No?\n', "", ("Yes", "No")),
    ("cb", "next"): ('Suppose Rain 1. Can we infer that "Wet"? Yes, No, or Maybe?\n', "", ("Yes", "No", "Maybe")),
    ("boolq", "next"): ("Rain 1. Is it wet?\n", "", ("No", "Yes")),
    ("wsc", "next"): ('Ann saw Bo 1 and she ran.\nIn the previous sentence, does the pronoun "she" refer to Ann? Yes or No?\n',
                      "", ("No", "Yes")),
    ("wic", "next"): ('Does the word "run" have the same meaning in these two sentences? Yes, No?\nA run 1.\nI run.\n', "",
                      ("No", "Yes")),
    ("multirc", "next"): ('Rain 1.\nQuestion: What fell?\nI found this answer "Rain". Is that correct? Yes or No?\n', "",
                          ("No", "Yes")),
    ("copa", "next"): ("It rained 1 so", "", (" the road got wet.", " I ran.")),
    ("record", "next"): ("Ann met Bo 1.\n- They won.\n-", "", (" Then Ann left.", " Then Bo left.")),
    ("squad", "next"): ("Title: Rain\nContext: It rained 1 days.\nQuestion: How long?\nAnswer:", "", ()),
    ("drop", "next"): ("Passage: It rained 1 days.\nQuestion: How long?\nAnswer:", "", ()),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return write_tasks(tmp_path_factory.mktemp("tasks"))


@pytest.fixture(scope="module")
def found(folder):
    return glue.evaluate(reader(), byte_tokenizer(), [("glue", None, None)], source=folder, batch_size=3)


@pytest.mark.parametrize("key", PROMPTS)
def test_a_row_becomes_the_papers_prompt(folder, key):
    task = TASKS[key]
    asked = item(task, read(task, task.test, folder)[1 if key[0] != "snli" else 0], "x/1")
    assert (asked.prompt, asked.rest, asked.options) == PROMPTS[key]
    assert all(0 <= g < len(asked.options) for g in asked.gold)


def test_the_mask_stands_where_the_template_says_and_nowhere_else():
    tasks = [TASKS["sst2", "mask"], *TASKS.values()]
    assert all((t.template.count("[M]") == 1) == (t.form == "mask") for t in tasks)
    assert set(names("mask")) == {"sst2", "sst5", "snli", "mnli", "rte", "trec"}
    assert len(names("next")) == 11


def test_records_right_answers_are_all_accepted_and_rows_without_a_label_left_out(folder):
    assert item(TASKS["record", "next"], record(0), "").gold == (0, 1)
    assert item(TASKS["record", "next"], record(1), "").gold == (1,)
    assert len(read(TASKS["snli", "mask"], "validation", folder)) == N - 1


def test_every_task_has_a_score_with_n_and_error_and_a_row_per_item(found):
    assert set(found.metrics) == {f"glue:{n}" for n in names("next")}
    for name in names("next"):
        table, of = found.samples[found.samples["task"] == name], found.metrics[f"glue:{name}"]
        assert set(of) == ({"f1", "em"} if name in ("squad", "drop") else {"acc"})
        assert all(s.n == len(table) == N and math.isfinite(s.stderr) for s in of.values())
        primary = of["f1" if "f1" in of else "acc"]
        assert primary.value == pytest.approx(table["correct"].mean())
        assert primary.stderr == pytest.approx(table["correct"].std(ddof=1) / math.sqrt(N))
    chosen = found.samples[found.samples["loglik"].notna()]
    golds = {("record", i): {0, 1} for i in range(0, N, 2)}
    assert all(r.correct == float(int(np.argmax(r.loglik)) in golds.get((r.task, r.item), {r.gold})) for r in chosen.itertuples())
    assert found.versions["glue:sst2"].startswith("next-")


def slow_scores(model, tokenizer, prompt: str, options: tuple[str, ...]) -> list[float]:
    """Token by token, one text at a time."""
    result = []
    start = len(tokenizer(prompt)["input_ids"])
    for option in options:
        ids = tokenizer(prompt + option)["input_ids"]
        with torch.no_grad():
            steps = [model(input_ids=torch.tensor([ids[:at]])).logits[0, -1].log_softmax(-1)[ids[at]] for at in
                     range(start, len(ids))]
        result.append(float(torch.stack(steps).mean()))
    return result


@pytest.mark.parametrize("name", ["sst2", "copa", "cb"])
def test_options_are_scored_by_their_mean_log_probability(found, name):
    model, tokenizer = reader(), byte_tokenizer()
    row = found.samples[found.samples["task"] == name].iloc[1]
    prompt, _, options = PROMPTS[name, "next"]
    assert row["item"] == 1
    assert row["loglik"] == pytest.approx(slow_scores(model, tokenizer, prompt, options), abs=1e-5)


def test_a_masked_models_words_are_read_at_the_mask(folder):
    model, tokenizer = masked_reader(), word_tokenizer()
    calls = [("glue", None, None)]
    got = glue.evaluate(model, tokenizer, calls, source=folder, batch_size=3)
    assert set(got.metrics) == {f"glue:{n}" for n in names("mask")}
    row = got.samples[(got.samples["task"] == "trec") & (got.samples["item"] == 1)].iloc[0]
    ids = tokenizer("<mask>: what w1")["input_ids"]
    assert ids[1] == tokenizer.mask_token_id
    with torch.no_grad():
        logs = model(input_ids=torch.tensor([ids])).logits[0, 1].log_softmax(-1)
    words = [tokenizer.convert_tokens_to_ids(w.strip()) for w in TASKS["trec", "mask"].options]
    assert row["loglik"] == pytest.approx(logs[words].tolist(), abs=1e-5)
    assert got.versions["glue:trec"].startswith("mask-")


def test_generation_is_greedy_to_the_line_break(found):
    model, tokenizer = reader(), byte_tokenizer()
    row = found.samples[found.samples["task"] == "squad"].iloc[1]
    ids = tokenizer(PROMPTS["squad", "next"][0])["input_ids"]
    made: list[int] = []
    with torch.no_grad():
        while len(made) < 50 and "\n" not in tokenizer.decode(made) and (not made or made[-1] != tokenizer.eos_token_id):
            made.append(int(model(input_ids=torch.tensor([[*ids, *made]])).logits[0, -1].argmax()))
    assert row["answer"] == tokenizer.decode(made, skip_special_tokens=True).partition("\n")[0].strip()


@given(st.text("ab the.,! ", max_size=12), st.lists(st.text("ab the.,! ", max_size=12), min_size=1, max_size=3))
@settings(max_examples=150, deadline=None)
def test_f1_is_that_of_a_slow_reference(answer, accepted):
    assert f1(answer, accepted) == pytest.approx(squad.f1(answer, accepted))
    assert exact_match(answer, accepted) == float(any(squad.words(answer) == squad.words(a) for a in accepted))
    assert f1(answer, accepted) >= exact_match(answer, accepted)


def test_errors_take_items_of_one_fact_as_one(tmp_path):
    rows = [{"sentence": "w1 film", "label": i % 2, "fact": f"f{i % 2}"} for i in range(20)]
    write_set(tmp_path / "nyu-mll/glue", {"sst2": {"train": rows, "validation": rows}})
    score = glue.evaluate(reader(), byte_tokenizer(), [("glue:sst2", 0, None)], source=tmp_path, batch_size=20)
    assert set(score.samples["fact"]) == {"f0", "f1"}
    assert score.metrics["glue:sst2"]["acc"].stderr > 3 * math.sqrt(0.25 / 20)


# ------------------------------------------------------------------------------------------------ demonstrations, cuts


def test_demonstrations_stand_before_the_item_and_leave_whole_when_the_context_is_short(folder):
    model, tokenizer = reader(length=400), byte_tokenizer()
    got = glue.evaluate(model, tokenizer, [("glue:sst2", 4, 2)], source=folder, batch_size=2).samples
    assert list(got["shots"]) == [4, 4]
    task = TASKS["sst2", "next"]
    solved = demonstrations(task, folder, 4, reader_of(model, tokenizer))
    before = "".join(s.text for s in solved)
    assert before.count("\n\n") == 4
    assert "terrible\n\n" in before or "great\n\n" in before
    assert got["loglik"][0] == pytest.approx(slow_scores(model, tokenizer, before + "w0 film It was", task.options), abs=1e-5)
    short = reader(length=70)
    cut = glue.evaluate(short, tokenizer, [("glue:sst2", 4, 2)], source=folder, batch_size=2).samples
    assert list(cut["shots"]) == [2, 2]
    assert not cut["truncated"].any()
    assert cut["loglik"][0] == pytest.approx(
        slow_scores(short, tokenizer, "".join(s.text for s in solved[2:]) + "w0 film It was", task.options), abs=1e-5)


def test_a_causal_prompt_is_cut_on_the_left_and_counted(folder):
    short, tokenizer = reader(length=20), byte_tokenizer()
    got = glue.evaluate(short, tokenizer, [("glue:sst2", 0, 1)], source=folder, batch_size=2)
    assert got.truncated == 1
    assert got.samples["loglik"][0][1] == pytest.approx(
        slow_scores(short, tokenizer, "w0 film It was"[-14:], (" great",))[0], abs=1e-5)


def test_a_masked_text_loses_the_end_of_its_first_field_and_never_the_mask(tmp_path, folder):
    rows = [{"sentence": "film " * 40 + "good", "label": 1}, {"sentence": "film", "label": 0}]
    write_set(tmp_path / "nyu-mll/glue", {"sst2": {"train": rows, "validation": rows}})
    model, tokenizer = masked_reader(length=12), word_tokenizer()
    got = glue.evaluate(model, tokenizer, [("glue:sst2", 0, None)], source=tmp_path, batch_size=2)
    assert list(got.samples["truncated"]) == [True, False]
    ids = tokenizer("film " * 6 + "It was <mask>.")["input_ids"]
    assert len(ids) == 12
    with torch.no_grad():
        logs = model(input_ids=torch.tensor([ids])).logits[0, 9].log_softmax(-1)
    assert got.samples["loglik"][0] == pytest.approx([float(logs[5]), float(logs[6])], abs=1e-5)


# --------------------------------------------------------------------------------------------------- training, probing


def test_training_examples_hold_the_right_word_in_its_place(folder):
    tokenizer = word_tokenizer()
    for model, form in ((masked_reader(), "mask"), (reader(), "next")):
        own = tokenizer if form == "mask" else byte_tokenizer()
        task, how = TASKS["sst2", form], reader_of(model, own)
        rows = split(task, folder, seed=13, k=3).train
        assert len(rows) == 6
        for row, example in zip(rows, examples(task, rows, how), strict=True):
            word = own.decode(example.input_ids[example.answer_from:example.answer_end]).strip()
            assert word == ("terrible", "great")[row["label"]]
    rows = split(TASKS["sst2", "mask"], folder, seed=13, k=3).train
    how = reader_of(masked_reader(), tokenizer)
    ids = word_ids(TASKS["sst2", "mask"], rows, how)
    assert tokenizer.convert_ids_to_tokens(ids) == ["terrible", "great"]
    batch = examples(TASKS["sst2", "mask"], rows, how)
    assert {e.input_ids[e.answer_from] for e in batch} == set(LabelWords(ids, how.mask).ids)


@pytest.mark.parametrize("masked", [False, True])
def test_a_task_is_learnt_from_its_prompts_and_shows_on_dev(tmp_path, masked):
    """The label is the last word of the sentence; before training the words are a guess."""
    rows = [{"sentence": f"w{i % 7} {('bad', 'good')[i % 2]}", "label": i % 2} for i in range(70)]
    write_set(tmp_path / "nyu-mll/glue", {"sst2": {"train": rows, "validation": rows}})
    tokenizer = word_tokenizer()
    torch.manual_seed(0)
    model = masked_reader() if masked else LlamaForCausalLM(LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, pad_token_id=1, bos_token_id=0, eos_token_id=2)).eval()
    made = glue.prepare("sst2", model, tokenizer, source=tmp_path, seed=13, k=16)
    assert (len(made.train), len(made.dev), made.short) == (32, 32, ())
    recipe = Recipe(scope=Full(), update=AdamW(lr=2e-2), objective=LabelWords(made.words, made.mask))
    training = Training(steps=120, batch_size=32)
    last = list(fit(model, recipe, made.train, training, Streams(0), pad_id=1))[-1]
    got = glue.on_rows(last.model, tokenizer, made.task, made.dev_rows, batch_size=8)
    accuracy = got.metrics["glue:sst2"]["acc"]
    assert accuracy.n == 32
    assert binomtest(round(accuracy.value * 32), 32, 0.5, "greater").pvalue < 1e-3
    with pytest.raises(Refused, match="no rows"):
        glue.on_rows(model, tokenizer, made.task, [], batch_size=8)


def test_a_generated_answer_is_learnt_with_the_line_break(folder):
    task, tokenizer = TASKS["squad", "next"], byte_tokenizer()
    rows = read(task, "train", folder)[3:4]
    example = examples(task, rows, reader_of(reader(), tokenizer))[0]
    assert tokenizer.decode(example.input_ids[example.answer_from:]) == " 3 days\n"


def test_the_probe_finds_what_is_linear_and_reports_its_ridge(tmp_path):
    rows = [{"sentence": f"w{i % 7} film {('bad', 'good')[i % 2]}", "label": i % 2} for i in range(60)]
    write_set(tmp_path / "nyu-mll/glue", {"sst2": {"train": rows, "validation": rows[:20]}})
    for model, tokenizer in ((masked_reader(), word_tokenizer()), (reader(), byte_tokenizer())):
        got = probe.evaluate(model, tokenizer, "sst2", source=tmp_path, batch_size=7, seed=13, k=16)
        score = got.metrics["glue:sst2/probe"]["acc"]
        assert score.n == 20
        assert score.value >= 0.9
        assert np.exp(np.stack(got.samples["loglik"])).sum(1) == pytest.approx(np.ones(20))
        assert 1e-4 <= float(got.versions["probe.C"]) <= 1e4


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [2, 3])
def test_the_probe_is_the_ridge_that_is_best_over_the_folds(classes):
    """A class of four rows leaves four folds; noise beside one telling column wants a strong ridge."""
    generator = np.random.default_rng(classes)
    y = np.array([0] * 4 + [1 + i % (classes - 1) for i in range(60)])
    x = generator.normal(size=(64, 30))
    x[:, 0] += 2 * y
    got = probe.fitted(x, y, classes, seed=0)
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(x, y))
    grid = np.logspace(-4, 4, 10)
    right = [np.mean([LogisticRegression(C=c, max_iter=5000).fit(x[a], y[a]).score(x[b], y[b]) for a, b in folds]) for c in grid]
    assert right[int(np.argmin(abs(grid - got.C_)))] == pytest.approx(max(right), abs=0.02)
    assert got.predict_log_proba(x).shape == (64, classes)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_class_too_small_for_the_folds_is_named(rows):
    y = np.array([0] * 8 + [1] * rows)
    with pytest.raises(Refused, match=f"a class has {rows} rows"):
        probe.fitted(np.ones((len(y), 2)), y, 2, seed=0)


# ------------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize(("call", "why"), [
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [], source=f, batch_size=1), "no task was named"),
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [("glue:none", 0, 1)], source=f, batch_size=1), "use one of sst2"),
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [("mmlu", 0, 1)], source=f, batch_size=1), "no task of glue"),
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [("glue:sst2", 0, 0)], source=f, batch_size=1), "limit above 0"),
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [("glue:trec", 0, 1)], source=f, batch_size=1), "causal models"),
    (lambda f: glue.evaluate(reader(length=5), byte_tokenizer(), [("glue:sst2", 0, 1)], source=f, batch_size=1), "too few"),
    (lambda f: glue.evaluate(masked_reader(), word_tokenizer(), [("glue:sst2", 4, 1)], source=f, batch_size=1), "one example"),
    (lambda f: glue.evaluate(masked_reader(length=5), word_tokenizer(), [("glue:sst2", 0, 1)], source=f, batch_size=1),
     "longer than 5"),
    (lambda f: glue.evaluate(masked_reader(), byte_tokenizer(), [("glue:sst2", 0, 1)], source=f, batch_size=1), "no mask token"),
    (lambda f: glue.evaluate(torch.nn.Linear(2, 2), byte_tokenizer(), [("glue:sst2", 0, 1)], source=f, batch_size=1), "Linear"),
    (lambda f: glue.evaluate(reader(), byte_tokenizer(), [("glue:sst2", 99, 1)], source=f, batch_size=1), "99"),
    (lambda f: word_ids(TASKS["sst2", "next"], read(TASKS["sst2", "next"], "train", f), reader_of(reader(), byte_tokenizer())),
     "' terrible'"),
    (lambda f: word_ids(TASKS["copa", "next"], read(TASKS["copa", "next"], "train", f), reader_of(reader(), byte_tokenizer())),
     "row to row"),
    (lambda f: split(TASKS["squad", "next"], f, seed=0, k=4), "no classes"),
    (lambda f: probe.evaluate(reader(), byte_tokenizer(), "squad", source=f, batch_size=1, seed=0), "no classes"),
    (lambda f: item(TASKS["sst2", "next"], {"sentence": "x", "label": 2}, ""), "labels 0 to 1"),
    (lambda f: item(TASKS["sst2", "next"], {"text": "x", "label": 1}, ""), "'sentence'"),
])
def test_what_cannot_be_measured_is_refused_in_one_sentence(folder, call, why):
    with pytest.raises(Refused, match=why) as refusal:
        call(folder)
    assert "because" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_masked_word_of_two_tokens_is_named():
    task = Task("odd", "mask", "x", None, "{a}[M].", (" great", " not great"))
    with pytest.raises(Refused, match="' not great'"):
        word_ids(task, [{"a": "film", "label": 0}], Reader(word_tokenizer(), 20, 4))


@pytest.mark.parametrize(("make", "tokenizer"), [
    (lambda: Prefix(m=3).attach(reader(), Streams(0)).model, byte_tokenizer()),
    (lambda: Lora(r=2).attach(masked_reader(), Streams(0)).model, word_tokenizer())])
def test_adapted_models_are_measured_and_left_as_they_were(folder, make, tokenizer):
    """Batched with padding or alone: the same scores and answers."""
    model = make().train()
    tasks = ["sst2", "squad"] if tokenizer.mask_token is None else ["sst2"]
    calls = [(f"glue:{t}", 0, 4) for t in tasks]
    together, alone = (glue.evaluate(model, tokenizer, calls, source=folder, batch_size=n) for n in (4, 1))
    assert model.training
    for one, other in zip(together.samples.itertuples(), alone.samples.itertuples(), strict=True):
        assert one.answer == other.answer
        assert one.loglik is None or one.loglik == pytest.approx(other.loglik, abs=1e-5)
    if tokenizer.mask_token is None:
        assert together.samples["loglik"][0] == pytest.approx(
            slow_scores(model.eval(), tokenizer, "w0 film It was", (" terrible", " great")), abs=1e-5)
        assert reader_of(model, tokenizer).room == 400 - 3


def test_suites_of_both_kinds_are_one_evaluation(folder, tmp_path):
    calls = [("glue:sst2", 0, 2), ("winogrande", 0, 2)]
    write_benchmarks(tmp_path)
    write_set(tmp_path / "nyu-mll/glue", {"sst2": {"validation": [{"sentence": "w1 film", "label": i} for i in (0, 1)]}})
    got = every_suite.evaluate(reader(), byte_tokenizer(), calls, source=tmp_path, batch_size=2)
    assert {"glue:sst2", "winogrande"} <= set(got.metrics)
    assert list(got.samples["suite"]) == ["glue:sst2"] * 2 + ["winogrande"] * 2
    with pytest.raises(Refused, match="no suite"):
        every_suite.evaluate(reader(), byte_tokenizer(), [], source=tmp_path, batch_size=2)


def test_a_model_that_gives_no_numbers_is_refused(folder):
    model = reader()
    torch.nn.init.constant_(model.lm_head.weight, math.nan)
    with pytest.raises(Refused, match="NaN"):
        glue.evaluate(model, byte_tokenizer(), [("glue:sst2", 0, 2)], source=folder, batch_size=2)


# ----------------------------------------------------------------------------------------------- the world, real data


def test_the_tiny_worlds_rows_get_the_prompts_of_its_base_model(folder, tmp_path):
    (tmp_path / "world" / "instructions").mkdir(parents=True)
    task = find("sst2", False, tmp_path)
    row = {"sentence": "the cast was funny .", "label": 1, "fact": "review/1"}
    asked = item(task, row, "x")
    assert asked.prompt == "the cast was funny .\nQuestion: Is this sentence positive or negative?\nAnswer:"
    assert (asked.options, asked.gold, asked.fact) == ((" negative", " positive"), (1,), "review/1")
    rte = item(find("rte", False, tmp_path), {"sentence1": "A.", "sentence2": "B.", "label": 0}, "x")
    assert (rte.prompt, rte.options[rte.gold[0]]) == ("A.\nQuestion: B. True or False?\nAnswer:", " True")
    assert find("sst2", True, tmp_path).form == "mask"
    assert find("sst2", False, folder).form == "next"


def test_real_sentiment_is_scored_on_all_its_872_sentences(hub):
    model, tokenizer = models.load(MODEL)
    got = every_suite.evaluate(model, tokenizer, [("glue:sst2", None, None)], source=None, batch_size=32)
    score = got.metrics["glue:sst2"]["acc"]
    assert (score.n, len(got.samples)) == (872, 872)
    assert 0.3 < score.value < 0.7
    assert score.stderr == pytest.approx(math.sqrt(score.value * (1 - score.value) / 871))
    assert len(split(TASKS["sst2", "next"], None, seed=0).train) == 1000
