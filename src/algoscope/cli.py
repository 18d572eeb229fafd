"""The command line: a thin door to what a notebook can call too. Torch is imported only inside commands."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from algoscope import __version__
from algoscope.errors import UserError, printable

Model = Annotated[str, typer.Argument(help="A model that comes with algoscope, or a checkpoint.")]
TaskName = Annotated[
    str | None,
    typer.Option(
        "--task", help="Else what the file records: a name that `algoscope list` shows, or file.py:ClassName."
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of the model that its file doesn't say."),
]
Names = Annotated[
    Path | None,
    typer.Option(
        "--names", metavar="FILE.toml", help="Maps names in the file onto HookedTransformer's, one a line."
    ),
]

Device = Annotated[str, typer.Option(help="cpu, cuda or mps.")]
Threads = Annotated[int, typer.Option(help="CPU threads; numbers may depend on it.", min=1)]
Folder = Annotated[Path | None, typer.Option(help="Folder; else ./algoscope-out/NAME.")]

app = typer.Typer(
    help="Reverse-engineer small transformers trained on algorithmic tasks.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"algoscope {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """A user's mistake is one line on standard error and exit code 2."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def study(
    name_or_path: Model,
    task: TaskName = None,
    examples: Annotated[
        int | None, typer.Option(min=2, help="How many; else 5000, or all that --data holds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the examples that the task samples.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Your own inputs and labels instead of a sample.")] = None,
    out: Folder = None,
    set_: Settings = None,
    names: Names = None,
    device: Device = "cpu",
    threads: Threads = 2,
    json: Annotated[
        bool, typer.Option("--json", help="Print the findings as JSON and nothing else.")
    ] = False,
) -> None:
    """Find out how a model does its task, and write it down as one HTML page.

    Writes report.html, which opens offline, and findings.json; prints the findings and the page's path. Data
    is JSON, JSONL or CSV of input and label, gzipped or not, or safetensors with tokens. Settings are given
    as in --set attention_dir=causal --set act_fn=relu; docs/findings.md explains every finding.
    """
    import torch
    from rich.console import Console

    from algoscope.checkpoints.check import COUNT, doubt, score
    from algoscope.report.findings import findings_json
    from algoscope.report.folder import check_folder, write_folder
    from algoscope.report.terminal import findings_table, study_words
    from algoscope.stories.prepare import prepare, settings
    from algoscope.stories.run import run_study

    # Two by default, whatever the machine has, so that the numbers are the same on each: more hardly helps.
    torch.set_num_threads(threads)
    with Console(stderr=True).status("reading the model"):
        prepared = prepare(name_or_path, task, settings(set_ or []), examples, seed, data, device, names)
    warning = doubt(
        prepared.checkpoint,
        score(prepared.checkpoint.model, prepared.task, prepared.examples[:COUNT]),
    )
    if warning:
        typer.echo(f"warning: {printable(warning)}", err=True)
    folder = out or Path("algoscope-out") / prepared.checkpoint.name
    check_folder(folder)
    with Console(stderr=True).status(f"studying {len(prepared.examples):,} examples") as status:

        def tell(doing: str) -> None:
            status.update(f"studying {len(prepared.examples):,} examples: {doing}")

        found = run_study(prepared.checkpoint, prepared.task, prepared.examples, seed, prepared.source, tell)
        page = write_folder(found, folder)
    if json:
        typer.echo(findings_json(found), nl=False)
    else:
        # A pipe has no width of its own to cut the table to.
        width = None if sys.stdout.isatty() else 160
        console = Console(markup=False, highlight=False, width=width)
        console.print(study_words(found))
        console.print()
        console.print(findings_table(found))
    typer.echo(f"report: {page}", err=json)


@app.command()
def explain(
    name_or_path: Model,
    task: TaskName = None,
    examples: Annotated[
        int | None, typer.Option(min=2, help="How many; else 5000, or all that --data holds.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the examples, and what is drawn from them.")] = 0,
    data: Annotated[Path | None, typer.Option(help="Your own inputs and labels instead of a sample.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for explanation.json and explanation.svg; else none.")
    ] = None,
    set_: Settings = None,
    names: Names = None,
    device: Device = "cpu",
    threads: Threads = 2,
    json: Annotated[bool, typer.Option("--json", help="Print explanation.json and nothing else.")] = False,
) -> None:
    """Say in words how a model does its task: which part carries what, and how much that explains.

    Prints sentences, what each part that matters carries, and two tests of all of it at once. Each number in
    brackets is a line of the table that a sentence rests on. docs/explain.md says what the tests show.
    """
    import torch
    from rich.console import Console
    from rich.text import Text

    from algoscope.explanation.explain import explain as explained
    from algoscope.report.explanation import explanation_json, printed, write_explanation
    from algoscope.report.folder import check_folder
    from algoscope.stories.prepare import prepare, settings

    torch.set_num_threads(threads)
    if out is not None:
        check_folder(out)
    with Console(stderr=True).status("reading the model") as status:
        prepared = prepare(name_or_path, task, settings(set_ or []), examples, seed, data, device, names)

        def tell(doing: str) -> None:
            # A concept's name may be anything: as markup it would be read.
            status.update(Text(f"explaining: {printable(doing)}"))

        found = explained(prepared.checkpoint.model, prepared.task, prepared.examples, seed, tell=tell)
    if json:
        typer.echo(explanation_json(found), nl=False)
    else:
        width = None if sys.stdout.isatty() else 160
        console = Console(markup=False, highlight=False, width=width)
        for part in printed(found):
            console.print(part)
            console.print()
    if out is not None:
        typer.echo(f"explanation: {write_explanation(found, out)}", err=json)


@app.command()
def check(
    name_or_path: Model,
    task: TaskName = None,
    examples: Annotated[int, typer.Option(min=1, help="How many, if there is a task.")] = 1000,
    seed: Annotated[int, typer.Option(help="Decides the examples that the task samples.")] = 0,
    set_: Settings = None,
    names: Names = None,
    json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say how a checkpoint was understood, and whether the model then does its task.

    Each setting with what it was concluded from; what is not certain, because the file doesn't say it, is
    marked so. With a task, the share of right answers on a sample: one that is no better than a constant
    answer suggests that the file was misunderstood. docs/checkpoints.md describes the formats.
    """
    from rich.console import Console

    from algoscope.checkpoints.check import check as checked
    from algoscope.report.checked import checked_json, checked_lines, checked_table
    from algoscope.stories.prepare import settings

    found, scored = checked(name_or_path, task, names, settings(set_ or []), examples, seed)
    if json:
        typer.echo(checked_json(found, scored), nl=False)
        return
    width = None if sys.stdout.isatty() else 160
    Console(markup=False, highlight=False, width=width).print(checked_table(found))
    for line in checked_lines(found, scored):
        typer.echo(line)


@app.command()
def export(
    name_or_path: Model,
    format_: Annotated[
        str, typer.Option("--format", help="gpt2 (Hugging Face) or hooked (HookedTransformer).")
    ],
    out: Annotated[Path, typer.Option(help="Folder for config.json and model.safetensors.")],
    task: TaskName = None,
    set_: Settings = None,
    names: Names = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a model that is there.")] = False,
) -> None:
    """Write a model in another library's format, in which it gives the same logits.

    What the format can't hold is refused by name.
    """
    from algoscope import checkpoints
    from algoscope.checkpoints.exports import export as write
    from algoscope.stories.prepare import settings

    found = checkpoints.read(name_or_path, task, names, **settings(set_ or []))
    for note in write(found.model, format_, out, force):
        typer.echo(f"note: {note}", err=True)
    typer.echo(f"{out}: {found.name} as {format_}")


@app.command(name="list")
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """Show the tasks that come with algoscope, and the models.

    For each model its size, and which share of fresh inputs it answers right by the record of its training.
    """
    from rich.console import Console

    from algoscope.catalogue import entries
    from algoscope.report.listing import listing_json, listing_table

    if json:
        typer.echo(listing_json(entries()), nl=False)
    else:
        width = None if sys.stdout.isatty() else 160
        Console(markup=False, highlight=False, width=width).print(listing_table(entries()))


@app.command()
def train(
    task: Annotated[
        str, typer.Argument(help="A name that `algoscope list` shows, or your own file.py:ClassName.")
    ],
    seed: Annotated[int, typer.Option(help="Decides the first weights and every example.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The checkpoint; else TASK-SEED.safetensors.")] = None,
    steps: Annotated[int | None, typer.Option(help="How many; the learning rate ends near 0.")] = None,
    batch: Annotated[int | None, typer.Option(help="Fresh examples per step.")] = None,
    lr: Annotated[float | None, typer.Option(help="Peak of the one-cycle learning rate.")] = None,
    n_layers: Annotated[int | None, typer.Option(help="Layers of the model.")] = None,
    d_model: Annotated[int | None, typer.Option(help="Width of the residual stream.")] = None,
    n_heads: Annotated[int | None, typer.Option(help="Heads per layer; they share d_model evenly.")] = None,
    d_mlp: Annotated[int | None, typer.Option(help="Neurons per layer; 0 for attention only.")] = None,
    target: Annotated[float | None, typer.Option(help="Stop early at this accuracy, e.g. 0.999.")] = None,
    device: Device = "cpu",
    threads: Threads = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted run.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a checkpoint that is there.")] = False,
) -> None:
    """Train a model of TASK on fresh examples.

    Ctrl-C keeps what it has learnt so far, and --resume with the same options goes on from there. Sizes and
    schedule that you leave out are those known to work for the task; docs/training.md lists them.
    """
    from dataclasses import replace

    import torch

    from algoscope.tasks import registry
    from algoscope.training import resume as unfinished
    from algoscope.training import train as training
    from algoscope.training.bar import Bar
    from algoscope.training.recipe import recipe_for
    from algoscope.training.run import Run

    # One by default: a step is too small for more to help much, and the numbers depend on no count of cores.
    torch.set_num_threads(threads)
    wanted = registry.get(task)
    usual = recipe_for(wanted)
    changes: dict[str, Any] = {"steps": steps, "batch": batch, "lr": lr}
    changes |= {"n_layers": n_layers, "d_model": d_model, "n_heads": n_heads, "d_mlp": d_mlp}
    recipe = replace(usual, **{name: value for name, value in changes.items() if value is not None})
    out = out or Path(f"{wanted.name}-{seed}.safetensors")
    training.check_out(out, replace=force or resume)
    run = Run(wanted, recipe, seed, device)
    if resume:
        unfinished.restore(unfinished.beside(out), run)
    others = {"device": device if device != "cpu" else None, "threads": threads if threads > 1 else None}
    command = training.command_line(task, seed, recipe, usual, target=target, **others)
    try:
        with Bar(recipe.batch) as bar:
            made = training.train(run, out, target, command, bar)
    except KeyboardInterrupt:
        typer.echo(f"stopped after step {run.step}: {out} has the model so far, --resume goes on", err=True)
        raise typer.Exit(130) from None
    typer.echo(f"{out}: accuracy {made['accuracy']:.2%} on {made['evaluation_examples']} fresh examples")


@app.command()
def circuit(
    context: typer.Context,
    name_or_path: Model,
    task: TaskName = None,
    faithful: Annotated[
        float, typer.Option(min=0, max=1, help="How much of the model's behaviour the edges have to keep.")
    ] = 0.95,
    method: Annotated[
        str, typer.Option(help="pruning, exact, eap, eap-ig-inputs or eap-ig-activations.")
    ] = "pruning",
    patching: Annotated[
        str, typer.Option(help="What a cut edge carries: resample, mean, 'mean everywhere' or zero.")
    ] = "resample",
    positions: Annotated[
        str,
        typer.Option(help="Whether an edge's positions are told apart, counted from: start, answer, end."),
    ] = "no",
    hypothesis: Annotated[
        Path | None, typer.Option(help="Test the circuit stated in this JSON file instead of searching.")
    ] = None,
    examples: Annotated[
        int | None,
        typer.Option(min=2, help="Inputs, or pairs of them, to search on, else 50; or to test on, else 200."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides the inputs.")] = 0,
    out: Folder = None,
    set_: Settings = None,
    device: Device = "cpu",
    threads: Threads = 2,
    json: Annotated[bool, typer.Option("--json", help="Print circuit.json and nothing else.")] = False,
) -> None:
    """Find the smallest set of edges that does a model's task alone.

    Prints it with what each edge is worth and how far the whole may be trusted; writes circuit.json,
    circuit.dot and circuit.svg. With --hypothesis, prints how much of the model survives when all is
    resampled that the hypothesis says may be. docs/circuits.md explains the measures, and the file.
    """
    import torch
    from rich.console import Console

    from algoscope import atomic
    from algoscope.discovery.circuits.find import contrasts, find
    from algoscope.figures.circuit import circuit_drawing
    from algoscope.report.circuit import circuit_dot, circuit_json, circuit_table, circuit_words
    from algoscope.report.folder import check_folder
    from algoscope.stories.prepare import prepare, settings

    if hypothesis is not None:
        _refuse_with_hypothesis(context)
    torch.set_num_threads(threads)
    prepared = prepare(name_or_path, task, settings(set_ or []), count=2, device=device)
    if hypothesis is not None:
        _test_hypothesis(prepared.checkpoint.model, prepared.task, hypothesis, examples or 200, seed, json)
        return
    folder = out or Path("algoscope-out") / prepared.checkpoint.name
    check_folder(folder)
    with Console(stderr=True).status("searching for the smallest circuit"):
        searched, fresh = contrasts(
            prepared.checkpoint.model, prepared.task, patching, examples or 50, seed, positions
        )
        found = find(searched, fresh, patching, method, faithful)
    atomic.write(folder / "circuit.dot", circuit_dot(found))
    atomic.write(folder / "circuit.svg", circuit_drawing(found.worth, found.parts).svg)
    text = circuit_json(found)
    atomic.write(folder / "circuit.json", text)
    if json:
        typer.echo(text, nl=False)
        return
    Console().print(circuit_table(found))
    typer.echo(circuit_words(found))
    typer.echo(f"circuit: {folder / 'circuit.json'}")


def _refuse_with_hypothesis(context: typer.Context) -> None:
    """Raises UserError for options of the search, which a stated circuit doesn't need."""
    searching = ("faithful", "method", "patching", "positions", "out")
    given = [f"--{name}" for name in searching if _is_given(context, name)]
    if given:
        raise UserError(
            f"--hypothesis tests a circuit and searches for none: leave out {' and '.join(given)}"
        )


def _is_given(context: typer.Context, option: str) -> bool:
    """Whether an option stands on the command line, be it with its default."""
    source = context.get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _test_hypothesis(model: Any, task: Any, path: Path, inputs: int, seed: int, json: bool) -> None:
    from rich.console import Console

    from algoscope.discovery.circuits.graph import Graph
    from algoscope.discovery.circuits.hypothesis_file import read_hypothesis
    from algoscope.discovery.circuits.trial import tried
    from algoscope.report.hypothesis import hypothesis_json, hypothesis_table, hypothesis_words

    stated = read_hypothesis(path, Graph(model.config), task.sample(2, seed).concepts)
    with Console(stderr=True).status("testing the hypothesis"):
        found = tried(model, task, stated, inputs, seed)
    if json:
        typer.echo(hypothesis_json(found), nl=False)
        return
    Console().print(hypothesis_table(found))
    typer.echo(hypothesis_words(found))


@app.command()
def benchmark(
    what: Annotated[str, typer.Argument(help="circuits: how well methods find a circuit that is known.")],
    examples: Annotated[int, typer.Option(min=2, help="Pairs of inputs for each program.")] = 40,
    faithful: Annotated[
        float, typer.Option(min=0, max=1, help="What the smallest circuit has to keep.")
    ] = 0.95,
    seed: Annotated[int, typer.Option(help="Decides the noise that hides programs, and the inputs.")] = 0,
    threads: Threads = 2,
    json: Annotated[bool, typer.Option("--json", help="Print every result as JSON.")] = False,
) -> None:
    """Try every method on models that were compiled from programs, so that the truth is known.

    A true edge scores higher than another with probability AUROC; a program is found if the smallest faithful
    circuit holds at least 0.95 of its edges. In some programs three heads vote, so that no single edge of
    theirs is needed. "large effects": how many programs are kept by just the edges that alone cost more than
    a faithful circuit may lose. docs/circuits.md has the figures, and those published elsewhere.
    """
    import torch
    from rich.console import Console

    from algoscope.compiled.noise import Noise
    from algoscope.compiled.programs.library import PROGRAMS
    from algoscope.discovery.circuits.benchmark import judged, summaries
    from algoscope.report.benchmark import benchmark_json, benchmark_table

    if what != "circuits":
        raise UserError(f"there is no benchmark {what!r}: choose circuits")
    torch.set_num_threads(threads)
    with Console(stderr=True).status("compiling") as status:
        results = list(judged(PROGRAMS, examples, faithful, Noise(seed=seed), status.update))
    found = summaries(results, faithful)
    if json:
        typer.echo(benchmark_json(results, found), nl=False)
    else:
        Console().print(benchmark_table(found))


def main() -> None:
    try:
        code = app(standalone_mode=False)
    except Exception as error:
        # A wrong option is reported by an exception that typer's versions call by different names.
        if isinstance(error, UserError):
            message = str(error)
        elif hasattr(error, "format_message"):
            message = f"{error.format_message().rstrip('.')}; `algoscope COMMAND --help` lists what there is"
        else:
            raise
        typer.echo(f"algoscope: {message}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
