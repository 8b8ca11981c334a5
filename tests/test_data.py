"""Training sets of every shape become examples; what cannot be read is refused in one sentence."""
from __future__ import annotations

import json
from types import SimpleNamespace

import huggingface_hub
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from methods.parts import Refused
from suites.clusters import clustered_mean
from suites.data import DataSet, load_examples, read
from suites.encode import Text, encode
from suites.heldout import evaluate
from tests.reading import byte_tokenizer, reader, write_rows, write_set

ROWS = [{"question": f"What is {i}?", "answer": f"It is {i}.", "fact": f"f{i % 3}", "source": "sums"} for i in range(40)]
TOKENIZER = byte_tokenizer()


def parts(example):
    ids = list(example.input_ids)
    return TOKENIZER.decode(ids[:example.answer_from]), TOKENIZER.decode(ids[example.answer_from:])


def whole(path, **fields):
    return DataSet(str(path), held_out=None, dev="train", test="train", **fields)


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "parquet"])
def test_every_kind_of_file_gives_the_same_examples(tmp_path, ending):
    path = tmp_path / f"rows.{ending}"
    frame = pd.DataFrame(ROWS)
    {"jsonl": lambda: write_rows(path, ROWS), "json": lambda: path.write_text(json.dumps(ROWS)),
     "csv": lambda: frame.to_csv(path, index=False), "parquet": lambda: frame.to_parquet(path)}[ending]()
    examples = load_examples(whole(path), TOKENIZER)
    assert len(examples) == 40
    assert parts(examples[3]) == ("Question: What is 3?\nAnswer:", " It is 3.</s>")
    assert (examples[3].source, examples[3].fact) == ("sums", "f0")


@pytest.mark.parametrize(("row", "form", "prompt", "answer"), [
    ({"prompt": "Say a:", "completion": "a"}, "prompt + completion", "Say a:", " a</s>"),
    ({"question": "A?", "answer": "b"}, "Question: {question}\nAnswer:", "Question: A?\nAnswer:", " b</s>"),
    ({"text": "Once upon"}, "text", "", "Once upon</s>"),
    ({"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}]}, "messages",
     "User: Hi\nAssistant:", " Ho</s>"),
])
def test_the_form_is_seen_in_the_fields(tmp_path, row, form, prompt, answer):
    loaded = read(whole(write_rows(tmp_path / "rows.jsonl", [row])), TOKENIZER)
    assert loaded.form == form
    assert parts(loaded.examples[0]) == (prompt, answer)


@pytest.mark.parametrize("given_input", ["", "3 and 4"])
def test_alpaca_rows_get_its_template(tmp_path, given_input):
    row = {"instruction": "Add.", "input": given_input, "output": "7"}
    prompt, answer = parts(load_examples(whole(write_rows(tmp_path / "rows.jsonl", [row])), TOKENIZER)[0])
    assert prompt.startswith("Below is an instruction that describes a task")
    assert ("### Input:\n3 and 4" in prompt) == bool(given_input)
    assert prompt.endswith("### Response:\n")
    assert answer == "7</s>"


def test_fields_can_be_named_joined_and_reached_inside(tmp_path):
    row = {"a": {"b": ["one", "two"]}, "c": "", "d": "three", "e": "four"}
    path = write_rows(tmp_path / "rows.jsonl", [row])
    joined = load_examples(whole(path, prompt=("a.b", "c", "d"), answer="e"), TOKENIZER)
    assert parts(joined[0]) == ("one\ntwo\nthree", " four</s>")
    formed = read(whole(path, prompt=("d",), answer="e", form="<{d}>"), TOKENIZER)
    assert (parts(formed.examples[0]), formed.form) == (("<three>", " four</s>"), "<{d}>")


def test_a_row_is_kept_where_its_number_is_large_enough_and_tokens_are_left(tmp_path):
    rows = [{"text": "abcd", "meta": {"score": i / 10}} for i in range(10)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    assert len(load_examples(whole(path, at_least=("meta.score", 0.7)), TOKENIZER)) == 3
    assert len(load_examples(whole(path, most_tokens=11), TOKENIZER)) == 3


def test_train_dev_and_test_are_disjoint_complete_and_always_the_same(tmp_path):
    rows = [{"question": f"What is {i // 2}?", "answer": str(i)} for i in range(800)]
    path = write_rows(tmp_path / "rows.jsonl", rows)
    split = {s: {e.input_ids for e in load_examples(DataSet(str(path), held_out=0.3), TOKENIZER, s)}
             for s in ("train", "dev", "test")}
    assert sum(map(len, split.values())) == len(set.union(*split.values())) == 800
    assert 60 < len(split["dev"]) < 180
    assert 60 < len(split["test"]) < 180
    prompts = {s: {ids[:ids.index(TOKENIZER("A")["input_ids"][0])] for ids in of} for s, of in split.items()}
    assert not prompts["train"] & prompts["dev"], "rows with one prompt stay together"
    write_rows(path, rows[::-1])
    assert {e.input_ids for e in load_examples(DataSet(str(path), held_out=0.3), TOKENIZER, "dev")} == split["dev"]


def test_a_file_that_changed_is_read_anew_and_so_is_a_folder_of_the_same_name(tmp_path):
    path = write_rows(tmp_path / "rows.jsonl", ROWS[:2])
    assert len(load_examples(whole(path), TOKENIZER)) == 2
    assert len(load_examples(whole(write_rows(path, ROWS[:5])), TOKENIZER)) == 5
    for name, n in (("one", 3), ("two", 4)):
        write_set(tmp_path / name / "set", {"default": {"train": ROWS[:n]}})
        assert len(load_examples(whole("set", root=tmp_path / name), TOKENIZER)) == n


def test_named_splits_of_a_folder_are_used(tmp_path):
    write_set(tmp_path / "set", {"main": {"train": ROWS[:5], "validation": ROWS[5:8], "test": ROWS[8:]}})
    ref = DataSet(str(tmp_path / "set"), config="main", dev="validation", test="test", held_out=None)
    assert [len(load_examples(ref, TOKENIZER, s)) for s in ("train", "dev", "test")] == [5, 3, 32]


def test_long_answers_are_cut_on_the_right_and_long_prompts_drop_the_row():
    texts = [Text("p" * 5, "a" * 20, "", ""), Text("p" * 30, "a", "", ""), Text("pp", " ", "", ""), Text("pp", "a", "", "")]
    loaded = encode(texts, TOKENIZER, 12)
    assert [parts(e) for e in loaded.examples] == [("ppppp", " aaaaaa"), ("pp", " a</s>")]
    assert (loaded.dropped, loaded.cut) == (2, 1)


def test_long_plain_text_goes_on_in_further_examples():
    loaded = encode([Text("", "abcdefghij", "", "")], TOKENIZER, 4)
    assert [parts(e)[1] for e in loaded.examples] == ["abcd", "efgh", "ij</s>"]
    assert loaded.cut == 0


def test_a_tokenizer_that_cannot_place_characters_is_refused():
    with pytest.raises(Refused, match="use a fast one"):
        encode([Text("a", "b", "", "")], SimpleNamespace(is_fast=False), 4)


@settings(deadline=None, max_examples=60)
@given(prompt=st.text(max_size=12), answer=st.text(min_size=1, max_size=12), longest=st.integers(2, 40))
def test_an_example_is_its_text_up_to_the_cut(prompt, answer, longest):
    text = prompt + ("" if not prompt or prompt[-1].isspace() or answer[0].isspace() else " ") + answer
    expected = TOKENIZER(text)["input_ids"] + [TOKENIZER.eos_token_id]
    loaded = encode([Text(prompt, answer, "", "")], TOKENIZER, longest)
    if prompt:
        assert [list(e.input_ids) for e in loaded.examples] in ([], [expected[:longest]])
        assert loaded.dropped == (not loaded.examples)
    for example in loaded.examples:
        assert len(example.input_ids) <= longest
        assert example.answer_tokens >= 1


@pytest.mark.parametrize(("rows", "fields", "why"), [
    ([{"foo": "a", "bar": "b"}], {}, r"its fields are foo, bar; name them with prompt= and answer="),
    ([{"foo": "a"}], {"answer": "baz"}, r"cannot read the field 'baz'; because the rows have foo"),
    ([{"foo": {"x": 1}}], {"answer": "foo.y"}, r"cannot read the field 'foo.y'"),
    ([{"prompt": "a" * 500, "completion": "b"}], {}, r"no row with an answer token within 400 tokens \(1 rows have none\)"),
])
def test_rows_that_cannot_be_read_are_refused(tmp_path, rows, fields, why):
    with pytest.raises(Refused, match=why):
        load_examples(whole(write_rows(tmp_path / "rows.jsonl", rows), **fields), TOKENIZER)


@pytest.mark.parametrize(("name", "content", "why"), [
    ("rows.jsonl", "", "it is empty"), ("rows.csv", "", "it is empty"), ("rows.json", "[]", "corresponds to no data"),
    ("rows.jsonl", "{no json", "cannot load the data"), ("rows.parquet", "no parquet", "cannot load the data"),
    ("rows.csv", "a,b\n1,2\n1,2,3\n", "cannot load the data"), ("rows.txt", "a", "its ending is none of"),
])
def test_files_that_cannot_be_read_are_refused_in_one_sentence(tmp_path, name, content, why):
    (tmp_path / name).write_text(content)
    with pytest.raises(Refused, match=why) as caught:
        load_examples(whole(tmp_path / name), TOKENIZER)
    assert "\n" not in str(caught.value)


def test_an_empty_folder_no_network_and_a_split_that_is_not_there_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(Refused, match="the folder has no data file"):
        load_examples(whole(tmp_path), TOKENIZER)
    with pytest.raises(Refused, match="the Hub cannot be reached"):
        load_examples(DataSet("openai/gsm8k-of-nobody", config="main"), TOKENIZER)
    path = write_rows(tmp_path / "rows.jsonl", ROWS)
    with pytest.raises(Refused, match="cannot take the dev split"):
        load_examples(DataSet(str(path), held_out=None), TOKENIZER, "dev")
    with pytest.raises(Refused, match="a file is one split"):
        load_examples(DataSet(str(path), dev="validation"), TOKENIZER, "dev")


def test_held_out_loss_is_the_mean_over_answer_tokens_with_an_error_by_fact(tmp_path):
    from statsmodels.api import WLS

    examples = load_examples(whole(write_rows(tmp_path / "rows.jsonl", ROWS[:12])), TOKENIZER)
    found = evaluate(reader(), examples, pad_id=1, batch_size=5)
    score, table = found.metrics["heldout"]["nll"], found.samples
    slow = []
    for example in examples:
        logits = reader()(torch.tensor([example.input_ids])).logits.log_softmax(-1)[0]
        slow.append(-sum(logits[t - 1, example.input_ids[t]].item() for t in range(example.answer_from, len(example.input_ids))))
    assert score.n == 12
    assert score.value == pytest.approx(sum(slow) / table["tokens"].sum(), rel=1e-5)
    fact = table["fact"].astype("category").cat.codes
    reference = WLS(table["nll"], [1.0] * 12, weights=table["tokens"]).fit(cov_type="cluster", cov_kwds={"groups": fact})
    assert score.value == pytest.approx(reference.params.iloc[0])
    assert score.stderr == pytest.approx(reference.bse.iloc[0])


def test_a_mean_of_nothing_is_refused_and_one_cluster_has_no_error():
    with pytest.raises(Refused, match="none has an answer token"):
        clustered_mean([], [], [])
    assert clustered_mean([1.0, 2.0], [1, 1], ["a", "a"]).stderr != clustered_mean([1.0, 2.0], [1, 1], ["a", "b"]).stderr
