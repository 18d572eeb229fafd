"""A program answers as the model does if what its nodes carry is true, from tables made on other inputs."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch
from tests.conftest import CONFIGS, a_model

from algoscope.compiled.codes import codes
from algoscope.compiled.compiler import compile
from algoscope.compiled.programs.library import PROGRAMS
from algoscope.explanation import program as programs
from algoscope.explanation.concepts import Concept
from algoscope.explanation.listing import listing, push
from algoscope.explanation.places import Node, Place, everywhere, positions, without
from algoscope.explanation.pool import fill
from algoscope.explanation.program import heads, program, tables
from algoscope.explanation.scored import FREQUENT, LAST, TRUTH, baselines, last_node_only, near, scores
from algoscope.model.component import heads_and_mlps
from algoscope.tasks.task import Task

ALL = Place("everywhere", lambda inputs: inputs.real)
TOKEN = Concept("the token here", lambda inputs: inputs.tokens)
PLACE = Concept("the place", lambda inputs: inputs.place.expand(inputs.tokens.shape))
SEEN = Concept(
    "all that was seen",
    lambda inputs: ((inputs.tokens + 1) * 7**inputs.place).cumsum(1) + inputs.place * 7**10,
)


def true_concepts(compiled):
    """Each component with the variables that it computes, everywhere."""

    def concept(variable):
        return Concept(
            str(variable), lambda inputs: codes(compiled.placed, inputs.tokens)[variable.expression]
        )

    return {
        Node(component, ALL): tuple(concept(v) for v in compiled.variables if v.component == component)
        for component in heads_and_mlps(compiled.model.config)
    }


@pytest.mark.parametrize("name", ["histogram", "reverse", "depth", "induction", "parity-so-far"])
@pytest.mark.parametrize("kind", [tables, heads])
def test_a_compiled_program_whose_true_variables_are_given_answers_everywhere_as_the_model(name, kind):
    compiled = compile(PROGRAMS[name])
    pool = fill(compiled.model, compiled.task, compiled.task.sample(1500, seed=0))
    made = kind(pool, true_concepts(compiled))
    if made is None:
        assert not compiled.model.config.d_mlp
        return
    found = scores(compiled.model, made, {}, compiled.task.sample(500, seed=1))["program"]
    assert found.same.mean == 1


def drawn(name="two layers with MLP, bidirectional, padded", n=300, seed=0):
    """A model of random weights on random inputs, padded."""
    model = a_model(CONFIGS[name])
    config = model.config
    generator = torch.Generator().manual_seed(seed)
    tokens = torch.randint(config.d_vocab, (n, config.n_ctx), generator=generator)
    if config.pad_token is not None:
        tokens[tokens == config.pad_token] = (config.pad_token + 1) % config.d_vocab
        length = torch.randint(2, config.n_ctx + 1, (n, 1), generator=generator)
        tokens[torch.arange(config.n_ctx) >= length] = config.pad_token
    return model, AnyTask(config), AnyTask(config).examples(tokens)


class AnyTask(Task):
    """Is the first token even? Asked at the first place."""

    answer = 0

    def __init__(self, config):
        self.name, self.pad, self.n_ctx = "any", config.pad_token, config.n_ctx
        self.vocabulary = tuple(f"w{i}\n'\"" for i in range(config.d_vocab))
        self.classes = tuple(f"c{i}" for i in range(config.d_vocab_out))

    def sample(self, n, seed):
        raise NotImplementedError

    def label(self, tokens):
        return tokens[:, 0] % 2

    def concepts(self, tokens):
        return {}

    def encode(self, inputs):
        raise NotImplementedError


def every_node(model, places, factors):
    return {Node(each, place): factors for each in heads_and_mlps(model.config) for place in places}


@pytest.mark.parametrize("name", CONFIGS)
def test_tables_are_embedding_plus_means_read_out(name):
    model, task, examples = drawn(name)
    pool = fill(model, task, examples)
    first = positions([0])
    rest = without(everywhere(1), [first])
    made = tables(pool, every_node(model, [first, rest], (TOKEN,)))
    answered = 0
    for row, tokens in enumerate(examples.tokens[:20]):
        alike = examples.tokens[:, 0] == tokens[0]
        resid = model.W_E[tokens[0]] + model.W_pos[0]
        for layer in range(model.config.n_layers):
            for head in range(model.config.n_heads):
                resid = resid + pool.heads[layer][alike, 0, head].mean(0) @ model.W_O[layer, head]
            resid = resid + model.blocks[layer].attn.b_O
            if model.config.d_mlp:
                resid = resid + pool.mlps[layer][alike, 0].mean(0)
        expected = model.ln_final.normalize(resid) @ model.W_U + model.b_U
        torch.testing.assert_close(made(examples[row : row + 1])[0], expected)
        answered += 1
    assert answered == 20


@pytest.mark.parametrize("name", CONFIGS)
def test_what_looks_nothing_up_is_the_model(name):
    model, task, examples = drawn(name)
    pool = fill(model, task, examples)
    torch.testing.assert_close(program(pool, {}, [])(examples), pool.logits)


def test_heads_are_computed_and_a_model_without_mlps_has_no_such_program():
    model, task, examples = drawn()
    pool = fill(model, task, examples)
    made = heads(pool, every_node(model, [ALL], (TOKEN,)))
    assert {str(each) for each in made.looked_up} == {"MLP 0", "MLP 1"}
    model, task, examples = drawn("one layer, one head, attention-only, causal")
    assert heads(fill(model, task, examples), {}) is None


def test_everything_that_a_place_sees_is_enough_in_a_causal_model():
    model, task, examples = drawn("causal and padded, folded norms")
    pool = fill(model, task, examples)
    for kind in (tables, heads):
        answer = kind(pool, every_node(model, [ALL], (SEEN,))).answer(examples)
        torch.testing.assert_close(answer.logits, pool.logits)
        assert answer.unknown == 0


def test_batches_do_not_change_answers_and_no_inputs_have_no_answers(monkeypatch):
    model, task, examples = drawn()
    made = tables(fill(model, task, examples), every_node(model, [ALL], (TOKEN, PLACE)))
    whole = made(examples)
    monkeypatch.setattr(programs, "HELD", 1)
    torch.testing.assert_close(made(examples), whole)
    assert made(examples[:0]).shape == (0, 3)


def test_combinations_that_the_pool_never_had_are_counted():
    model, task, examples = drawn("no norms", n=200)
    known = examples.tokens[:, 0] != 3
    pool = fill(model, task, examples[known])
    first = positions([0])
    answer = tables(pool, every_node(model, [first], (TOKEN,))).answer(examples)
    assert answer.unknown == pytest.approx(float((~known).double().mean()))
    mean = tables(pool, every_node(model, [first], ()))(examples)
    # The embedding still knows the token: only what was looked up is the mean.
    torch.testing.assert_close(answer.logits[~known], mean[~known])


def test_the_last_node_alone_keeps_only_the_last_part_that_carries_something():
    model, _, _ = drawn()
    silent = heads_and_mlps(model.config)[-1]
    carried = {
        node: () if node.component == silent else f for node, f in every_node(model, [ALL], (TOKEN,)).items()
    }
    kept = {str(node.component) for node, factors in last_node_only(carried).items() if factors}
    assert kept == {"1.1"}
    assert last_node_only(carried).keys() == carried.keys()
    assert last_node_only({}) == {}


def test_baselines_are_the_truth_and_what_the_model_says_most():
    model, task, examples = drawn()
    pool = fill(model, task, examples)
    made = tables(pool, every_node(model, [ALL], (TOKEN,)))
    found = scores(model, made, baselines(pool, every_node(model, [ALL], ())), examples)
    decided = pool.logits.argmax(-1)
    assert found[TRUTH].same.mean == pytest.approx(float((decided == examples.labels).double().mean()))
    assert found[FREQUENT].same.mean == pytest.approx(
        float((decided == decided.mode().values).double().mean())
    )
    assert found[TRUTH].mistakes.program == 0
    assert found[TRUTH].mistakes.recall.mean == 0
    assert found[TRUTH].kl is None
    assert found[TRUTH].doubt == 0.5
    assert set(found) == {"program", TRUTH, FREQUENT, LAST}


def test_inputs_near_the_decision_lie_next_to_one_that_is_answered_otherwise():
    task = compile(PROGRAMS["histogram"]).task
    found = near(task, 40, seed=0)
    assert 0 < len(found) <= 40
    pairs = found.tokens.view(-1, 2, found.tokens.shape[1])
    assert ((pairs[:, 0] != pairs[:, 1]).sum(1) == 1).all()


def test_a_task_without_neighbours_has_nothing_near():
    _, task, examples = drawn()
    task.sample = lambda n, seed: examples[:n]
    assert near(task, 40, seed=0) is None


@pytest.mark.parametrize("name", CONFIGS)
def test_the_listing_is_python_by_its_grammar_whatever_words_say(name):
    model, task, examples = drawn(name)
    pool = fill(model, task, examples)
    nasty = Concept("the token\n'''\"\"\" \\ # here", TOKEN.of)
    carried = every_node(
        model, [positions([0]), Place('at "\n(', ALL.of), Place('at "\n)', ALL.of)], (nasty,)
    )
    for made in (tables(pool, carried), heads(pool, carried)):
        if made is not None:
            tree = ast.parse(listing(made, pool))
            names = [node.targets[0].id for node in ast.walk(tree) if isinstance(node, ast.Assign)]
            assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ["no norms", "RMS norms and gated MLPs", "causal and padded, folded norms"])
def test_pushes_add_up_to_the_logits_where_the_norm_is_held(name):
    model, task, examples = drawn(name)
    pool = fill(model, task, examples)
    made = tables(pool, every_node(model, [positions([0])], (TOKEN,)))
    flat = tables(pool, every_node(model, [positions([0])], ()))
    one = examples[:1]
    stream = {}

    def kept(kind, resid, tap):
        stream[kind] = resid
        return resid @ model.W_U

    for kind, each in (("made", made), ("flat", flat)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(model), "read_out", lambda self, resid, tap, kind=kind: kept(kind, resid, tap))
            each(one)
    changed = stream["made"] - stream["flat"]
    if model.config.centred:
        changed = changed - changed.mean(-1, keepdim=True)
    weight = getattr(model.ln_final, "w", None)
    expected = (changed / 2.0 if weight is None else changed / 2.0 * weight) @ model.W_U
    total = sum(
        push(made, step, 2.0)[step.table.cells(one.tokens[:, :1])] for step in made.steps if step.factors
    )
    torch.testing.assert_close(total, expected)


def test_steps_come_in_the_order_of_the_computation():
    model, task, examples = drawn()
    carried = dict(reversed(every_node(model, [ALL], (TOKEN,)).items()))
    steps = tables(fill(model, task, examples), carried).steps
    assert [step.node.component for step in steps] == list(heads_and_mlps(model.config))


def test_a_program_of_false_concepts_does_not_answer_as_the_model():
    compiled = compile(PROGRAMS["depth"])
    pool = fill(compiled.model, compiled.task, compiled.task.sample(1500, seed=0))
    false = {
        node: tuple(
            replace(factor, of=lambda inputs, f=factor: f.of(inputs).roll(1, 0)) for factor in factors
        )
        for node, factors in true_concepts(compiled).items()
    }
    for kind in (tables, heads):
        found = scores(compiled.model, kind(pool, false), {}, compiled.task.sample(500, seed=1))["program"]
        assert found.same.mean < 0.5
