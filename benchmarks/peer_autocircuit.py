"""auto-circuit on a HookedTransformer: exact single edges, EAP, and ACDC at one threshold.

Requests on standard input are `exact`, `eap`, `acdc`, or `exact scores` and `eap scores`: then each edge
comes with the mean over pairs of how far the difference of the two answers' logits falls when it is cut.
"""

import sys
import time
from importlib.metadata import version

import torch
from auto_circuit.data import PromptDataLoader, PromptDataset
from auto_circuit.prune_algos.ACDC import acdc_prune_scores
from auto_circuit.prune_algos.mask_gradient import mask_gradient_prune_scores
from auto_circuit.utils.ablation_activations import src_ablations
from auto_circuit.utils.custom_tqdm import tqdm
from auto_circuit.utils.graph_utils import patch_mode, patchable_model, set_all_masks
from peer_loop import answer
from safetensors.torch import load_file
from transformer_lens import HookedTransformer, HookedTransformerConfig

NAMES = {"Resid Start": "token embedding", "Resid End": "answer"}
THRESHOLD = {"tao_exps": [-4], "tao_bases": [1]}


def load(state):
    config = HookedTransformerConfig(
        n_layers=3, d_model=56, n_heads=2, d_head=28, d_mlp=56, act_fn="relu", n_ctx=42, d_vocab=5,
        d_vocab_out=2, attention_dir="bidirectional", normalization_type="LN", device="cpu",
        use_attn_result=True, use_split_qkv_input=True, use_hook_mlp_in=True,
    )  # fmt: skip
    model = HookedTransformer(config)
    model.load_state_dict(state, strict=False)
    for parameter in model.parameters():
        parameter.requires_grad = False
    patchable = patchable_model(model, factorized=True, separate_qkv=True, slice_output="last_seq")
    # Brackets are answered at the first place, for which auto-circuit has no name.
    patchable.out_slice = (slice(None), 0)
    return patchable


def loader(pairs, batch):
    columns = [list(pairs[name]) for name in ("clean", "corrupt", "answers", "wrong_answers")]
    answers = [[each[None] for each in column] for column in columns[2:]]
    return PromptDataLoader(
        PromptDataset(*columns[:2], *answers), seq_len=None, diverge_idx=0, batch_size=batch
    )


def exact(model, pairs):
    """Every edge cut alone, one forward pass each: `[edge pair]`."""
    rows, found = torch.arange(len(pairs["clean"])), []

    def difference():
        logits = model(pairs["clean"])[model.out_slice]
        return logits[rows, pairs["answers"]] - logits[rows, pairs["wrong_answers"]]

    with torch.inference_mode():
        instead = src_ablations(model, pairs["corrupt"])
        whole = difference()
        set_all_masks(model, val=0.0)
        with patch_mode(model, instead):
            for edge in model.edges:
                mask = edge.patch_mask(model).data
                mask[edge.patch_idx] = 1.0
                found.append(whole - difference())
                mask[edge.patch_idx] = 0.0
    return torch.stack(found)


def eap(model, pairs, batch):
    """By one backward pass for each batch of pairs."""
    return mask_gradient_prune_scores(
        model, loader(pairs, batch), None, grad_function="logit", answer_function="avg_diff", mask_val=0.0
    )


def eap_by_pair(model, pairs):
    """`[edge pair]`."""
    found = []
    for row in range(len(pairs["clean"])):
        scores = eap(model, {name: value[row : row + 1] for name, value in pairs.items()}, 1)
        found.append([float(edge.prune_score(scores)) for edge in model.edges])
    return torch.tensor(found).T


def named(model, effects):
    """Each edge by algoscope's names, with the mean size of its effects."""
    rows = []
    for edge, value in zip(model.edges, effects.abs().mean(1).tolist(), strict=True):
        receiver, letter = edge.dest.name, "in"
        if receiver.startswith("A"):
            receiver, letter = receiver[1:-2], receiver[-1].lower()
        sender = edge.src.name.removeprefix("A")
        rows.append([NAMES.get(sender, sender), NAMES.get(receiver, receiver), letter, value])
    return rows


def main():
    torch.set_num_threads(2)
    tqdm.keywords["disable"] = True
    state = load_file(sys.argv[1])
    pairs = {name: state.pop(name) for name in ("clean", "corrupt", "answers", "wrong_answers")}
    model, size = load(state), len(pairs["clean"])
    answer({"version": version("auto-circuit")})
    work = {
        "exact": lambda: exact(model, pairs),
        "eap": lambda: eap(model, pairs, size),
        "acdc": lambda: acdc_prune_scores(model, loader(pairs, size), None, **THRESHOLD),
        "exact scores": lambda: named(model, exact(model, pairs)),
        "eap scores": lambda: named(model, eap_by_pair(model, pairs)),
    }
    for line in sys.stdin:
        request = line.strip()
        start = time.perf_counter()
        result = work[request]()
        found = {"seconds": time.perf_counter() - start}
        answer(found | {"scores": result} if request.endswith("scores") else found)


main()
