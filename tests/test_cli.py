from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import algoscope
from algoscope import cli
from algoscope.checkpoints import checkpoint
from algoscope.model.config import Config
from algoscope.model.transformer import Transformer

COMMANDS = ("study", "explain", "train", "list", "check", "export")


@pytest.fixture
def toy(tmp_path):
    config = Config(
        n_layers=1, d_model=8, n_heads=2, d_head=4, n_ctx=42, d_vocab=5, d_vocab_out=2, pad_token=1,
        d_mlp=8, act_fn="relu", attention_dir="bidirectional",
    )  # fmt: skip
    checkpoint.write(tmp_path / "toy.safetensors", Transformer(config), task="brackets")
    return tmp_path / "toy.safetensors"


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Run the command as a shell would: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)

    def command(*words):
        monkeypatch.setattr(sys, "argv", ["algoscope", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        shown = capsys.readouterr()
        return exit_.value.code, shown.out, shown.err

    return command


def test_study_prints_the_findings_and_last_the_pages_path(run, toy, tmp_path):
    code, out, _ = run("study", toy, "--examples", "100")
    assert code == 0
    assert out.splitlines()[-1] == "report: algoscope-out/toy/report.html"
    assert "elevation-head-attention" in out
    folder = tmp_path / "algoscope-out/toy"
    assert sorted(path.name for path in folder.iterdir()) == ["findings.json", "report.html"]


def test_json_prints_the_findings_file_and_nothing_else(run, toy, tmp_path):
    code, out, err = run("study", toy, "--examples", "100", "--seed", "3", "--out", "here", "--json")
    assert code == 0
    assert out == (tmp_path / "here/findings.json").read_text(encoding="utf-8")
    assert json.loads(out)["seed"] == 3
    assert "report: here/report.html" in err


def test_own_data_and_settings_reach_the_study(run, toy, tmp_path):
    (tmp_path / "mine.csv").write_text("input,label\n(),balanced\n((,unbalanced\n(()),balanced\n")
    code, out, _ = run("study", toy, "--data", "mine.csv", "--set", "eps=0.5", "--json")
    record = json.loads(out)
    assert code == 0
    assert record["data"]["source"] == "all of mine.csv"
    assert record["model"]["config"]["eps"] == 0.5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.pt"], "no checkpoint 'nothing.pt'"),
        ([], "Missing argument"),
        (["toy.safetensors", "--example", "7"], "No such option: --example"),
        (["toy.safetensors", "--examples", "1"], "Invalid value for '--examples'"),
        (["toy.safetensors", "--task", "bracket"], "no task 'bracket': did you mean 'brackets'?"),
        (["toy.safetensors", "--task", "palindromes"], "does not fit the task palindromes"),
        (["toy.safetensors", "--data", "nothing.json"], "no file nothing.json"),
        (["toy.safetensors", "--device", "quantum"], "can't use the device 'quantum' here"),
        (["toy.safetensors", "--set", "causal"], "--set causal: give NAME=VALUE"),
        (["toy.safetensors", "--out", "toy.safetensors/out"], "toy.safetensors is a file"),
    ],
)
def test_a_users_mistake_is_one_line_exit_code_2_and_nothing_written(run, toy, tmp_path, words, message):
    code, out, err = run("study", *words)
    assert code == 2
    assert out == ""
    assert message in err
    assert err.startswith("algoscope: ")
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [toy]


def test_a_folder_that_can_not_be_written_is_one_line_too(run, toy, tmp_path):
    (tmp_path / "out/findings.json").mkdir(parents=True)
    code, _, err = run("study", toy, "--examples", "50", "--out", "out")
    assert code == 2
    assert err.startswith("algoscope: can't write out/findings.json: ")
    assert len(err.splitlines()) == 1


def test_an_interrupt_ends_with_code_130_without_a_traceback(run, toy, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("algoscope.stories.run.run_study", interrupted)
    code, _, err = run("study", toy)
    assert (code, err) == (130, "")


def test_a_bug_of_ours_keeps_its_traceback(run, toy, monkeypatch):
    def broken(*arguments):
        raise ZeroDivisionError

    monkeypatch.setattr("algoscope.stories.run.run_study", broken)
    with pytest.raises(ZeroDivisionError):
        run("study", toy)


def test_version_is_the_packages(run):
    assert run("--version") == (0, f"algoscope {algoscope.__version__}\n", "")


def test_without_a_command_the_commands_are_listed(run):
    code, out, _ = run()
    assert code == 0
    assert "study" in out


@pytest.fixture
def foreign(toy, tmp_path):
    """The toy's weights without a header, under names of their own, and the names that map them."""
    state = {f"my.{name}": value for name, value in algoscope.load(toy).state_dict().items()}
    torch.save(state, tmp_path / "foreign.pt")
    lines = (f"'{name}' = '{name.removeprefix('my.')}'" for name in state)
    (tmp_path / "names.toml").write_text("\n".join(lines))
    return "foreign.pt", "--names", "names.toml"


def test_check_says_what_was_understood_and_warns_at_chance(run, foreign):
    code, out, err = run("check", *foreign, "--task", "brackets")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert any(line.split()[:2] == ["attention_dir", "bidirectional"] for line in lines)
    assert any(line.startswith("assumed absent ") for line in lines)
    assert lines[-3].startswith("foreign: names given by the user, ")
    assert "of 1,000 answers are right" in lines[-2]
    assert lines[-1].startswith("warning: ")
    assert "act_fn: relu; " in lines[-1]
    assert "assumed absent: shortformer positions, parallel attention and MLP, unscaled scores" in lines[-1]


def test_check_without_a_task_needs_the_settings_and_gives_no_accuracy(run, foreign):
    code, out, _ = run("check", *foreign, "--set", "attention_dir=causal", "--set", "act_fn=gelu", "--json")
    record = json.loads(out)
    assert code == 0
    assert (record["task"], record["accuracy"], record["warning"]) == (None, None, None)
    assert record["format"] == "names given by the user"
    assert {"attention_dir", "act_fn", "eps", "assumed absent"} <= set(record["assumed"])


def test_check_of_a_model_that_knows_its_task_has_no_warning(run):
    code, out, _ = run("check", "brackets", "--examples", "50", "--json")
    record = json.loads(out)
    assert code == 0
    assert (record["answers"], record["inferred"], record["warning"]) == (50, [], None)
    assert record["accuracy"] > 0.9 > record["chance"]


def test_study_takes_names_and_warns_in_one_line(run, foreign):
    code, _, err = run("study", *foreign, "--task", "brackets", "--examples", "50")
    assert code == 0
    assert [line.startswith("warning: ") for line in err.splitlines()] == [True]


@pytest.mark.parametrize("command", ["check", "study"])
def test_what_can_not_be_read_is_one_line_and_code_2(run, foreign, command):
    code, out, err = run(command, "foreign.pt", "--task", "brackets")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("algoscope: foreign.pt: no known format: it holds my.")


def test_names_in_a_file_do_not_reach_the_terminal_raw(run, tmp_path):
    torch.save({"\x1b[2J\nevil": torch.ones(2)}, tmp_path / "evil.pt")
    code, _, err = run("check", "evil.pt")
    assert code == 2
    assert "\\x1b[2J\\nevil" in err
    assert err.rstrip("\n").isprintable()


def test_export_writes_a_folder_that_is_read_again(run, toy):
    code, out, err = run("export", toy, "--format", "hooked", "--out", "out")
    assert (code, out) == (0, "out: toy as hooked\n")
    assert err == "note: keys at token 1 are masked here: mask them there too, where inputs are padded\n"
    assert algoscope.load("out").config == algoscope.load(toy).config


def test_export_names_what_a_format_can_not_hold(run, toy):
    code, _, err = run("export", toy, "--format", "gpt2", "--out", "out")
    assert code == 2
    assert err.startswith("algoscope: GPT-2's format can't hold bidirectional attention")


@pytest.mark.parametrize("words", [["--help"], *([name, "--help"] for name in COMMANDS)])
def test_help_imports_neither_torch_nor_plotly(words):
    program = (
        "import sys; from algoscope.cli import app\n"
        f"try: app({words!r})\n"
        "except SystemExit: pass\n"
        "print([name for name in ('torch', 'plotly', 'pandas', 'numpy') if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_circuit_prints_the_edges_and_writes_them(run, tmp_path):
    options = ("--faithful", "0.8", "--method", "eap", "--examples", "10", "--out", "here")
    code, out, _ = run("circuit", "maximum", *options)
    assert code == 0
    assert out.splitlines()[-1] == "circuit: here/circuit.json"
    assert "faithfulness" in out
    found = json.loads((tmp_path / "here/circuit.json").read_text())
    assert found["size"] == len(found["edges"]) > 0
    assert (tmp_path / "here/circuit.dot").read_text().startswith("digraph")
    assert (tmp_path / "here/circuit.svg").read_text().count('class="edge"') == found["size"]
    code, again, _ = run("circuit", "maximum", *options, "--json")
    assert json.loads(again) == found


def test_circuit_refuses_a_method_that_does_not_exist_in_one_line(run, tmp_path):
    code, _, err = run("circuit", "maximum", "--method", "guessing", "--out", "here")
    assert code == 2
    assert "choose from pruning" in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "here").exists()


def test_circuit_tests_a_hypothesis_from_a_file(run, tmp_path):
    edges = [{"from": "0.0", "to": "MLP 0"}, {"from": "MLP 0", "to": "answer"}]
    (tmp_path / "stated.json").write_text(json.dumps({"edges": edges, "concepts": {"0.0": "smaller"}}))
    options = ("--hypothesis", "stated.json", "--examples", "20")
    code, out, _ = run("circuit", "sorting", *options)
    assert code == 0
    assert "2 edges, tested on 20 inputs" in out
    code, out, _ = run("circuit", "sorting", *options, "--json")
    assert [step["component"] for step in json.loads(out)["steps"]] == ["0.0", "MLP 0"]
    assert not (tmp_path / "algoscope-out").exists()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--method", "pruning"), "--method"),
        (("--faithful", "0.9", "--out", "here"), "--faithful and --out"),
        (("--patching", "zero", "--positions", "end"), "--patching and --positions"),
    ],
)
def test_a_hypothesis_and_an_option_of_the_search_are_one_line_and_exit_code_2(run, tmp_path, options, named):
    (tmp_path / "stated.json").write_text(json.dumps({"edges": [{"from": "MLP 0", "to": "answer"}]}))
    code, out, err = run("circuit", "sorting", "--hypothesis", "stated.json", *options)
    assert (code, out) == (2, "")
    assert err == f"algoscope: --hypothesis tests a circuit and searches for none: leave out {named}\n"


def test_a_wrong_hypothesis_is_one_line_and_exit_code_2(run, tmp_path):
    edge = {"from": "MLP 0", "to": "0.0", "input": "v"}
    (tmp_path / "stated.json").write_text(json.dumps({"edges": [edge]}))
    code, out, err = run("circuit", "sorting", "--hypothesis", "stated.json")
    assert (code, out) == (2, "")
    assert "no edge MLP 0 to the values of 0.0" in err
    assert len(err.strip().splitlines()) == 1


@pytest.fixture
def found(monkeypatch, carried, explanation):
    """What `explain` finds, and what it was asked."""
    told = explanation(
        carried("0.0", "at [x]\x1b", "the token here"), carried("MLP 0", "at [x]\x1b", "how many a")
    )
    asked = []

    def stub(model, task, examples, seed=0, tell=None):
        tell("head 0.0: [bold]\x1b")
        asked.append((task.name, len(examples), seed))
        return told

    monkeypatch.setattr("algoscope.explanation.explain.explain", stub)
    return asked


def test_explain_prints_sentences_nodes_and_tests_and_writes_nothing(run, toy, tmp_path, found):
    code, out, _ = run("explain", toy, "--examples", "30", "--seed", "4")
    assert code == 0
    assert found == [("brackets", 30, 4)]
    assert out.startswith("Head 0.0 at [x]\\x1b carries the token here. [1]\n")
    assert "\x1b" not in out
    for text in ("carries", "inputs answered alike", "recursive", "true label"):
        assert text in out
    assert list(tmp_path.iterdir()) == [toy]


def test_explain_as_json_is_the_file_that_it_writes(run, toy, tmp_path, found):
    code, out, err = run("explain", toy, "--examples", "30", "--json", "--out", "here")
    assert code == 0
    assert out == (tmp_path / "here/explanation.json").read_text(encoding="utf-8")
    assert [node["component"] for node in json.loads(out)["nodes"]] == ["0.0", "MLP 0"]
    assert "explanation: here/explanation.json" in err
    assert (tmp_path / "here/explanation.svg").read_text().count("<title>") == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing.pt"], "no checkpoint 'nothing.pt'"),
        (["toy.safetensors", "--task", "bracket"], "no task 'bracket': did you mean 'brackets'?"),
        (["toy.safetensors", "--out", "toy.safetensors/out"], "toy.safetensors is a file"),
    ],
)
def test_explain_says_what_is_wrong_in_one_line(run, toy, tmp_path, found, words, message):
    code, out, err = run("explain", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == [toy]
    assert found == []
